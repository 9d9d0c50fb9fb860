"""Puts threads of the simulation under ``threading``, ``select`` and ``asyncio``, so that waiting there is virtual.

In place for the whole of a simulation, also while its clocks are real for a moment: locks are held meanwhile.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from retrysim.kernel import Environment
from retrysim.patches.exits import end_simulated_processes_only
from retrysim.patches.left_locked import release_what_is_left_locked
from retrysim.patches.loaded import unnoticed
from retrysim.patches.locks import Lock, RLock
from retrysim.patches.locks_made_before import replace_locks_made_before
from retrysim.patches.other_loops import virtual_event_loops
from retrysim.patches.process_locks import share_process_locks
from retrysim.patches.process_settings import keep_the_settings_of_this_process
from retrysim.patches.real_locks import end_what_blocks_for_real, look_after
from retrysim.patches.real_network import guard_the_network
from retrysim.patches.real_programs import guard_programs
from retrysim.patches.reality import Reality
from retrysim.patches.selects import virtual_selects
from retrysim.patches.signals import signals_of_simulated_processes
from retrysim.patches.stand_ins import StandIns
from retrysim.patches.thread_pools import virtual_thread_pools
from retrysim.patches.thread_state import own_thread_state
from retrysim.patches.threads import VirtualThreads
from retrysim.patches.waits import virtual_condition_waits
from retrysim.undo import UndoStack


@contextmanager
def virtual_threading(environment: Environment, reality: Reality) -> Iterator[None]:
    """While inside, each process of the simulation is a thread to the code in it."""
    with UndoStack() as undo:
        with unnoticed(undo):
            threads = VirtualThreads(environment, reality)
            stand_ins = StandIns(undo)
            stand_ins.put(threading, "Lock", partial(Lock, reality.locks))
            stand_ins.put(threading, "_CRLock", partial(RLock, reality.locks))
            stand_ins.put(queue, "SimpleQueue", queue._PySimpleQueue)  # type: ignore[attr-defined]
            replace_locks_made_before(undo, reality.locks)
            undo.then(reality.locks.end)
            environment.listeners.add(undo, over=release_what_is_left_locked)
            threads.connect(stand_ins)
            virtual_thread_pools(undo, environment)
            virtual_condition_waits(undo, environment, threads.starting)
            virtual_selects(stand_ins, environment, reality)
            virtual_event_loops(undo, environment, reality)
            guard_programs(stand_ins, environment, reality)
            guard_the_network(stand_ins, reality)
            end_simulated_processes_only(stand_ins, environment, reality)
            signals_of_simulated_processes(stand_ins, environment, reality)
            keep_the_settings_of_this_process(stand_ins, reality)
            stand_ins.spread()
            own_thread_state(undo, environment)
            end_what_blocks_for_real(undo, environment, reality)
            environment.listeners.add(undo, copied=lambda: look_after(UndoStack(), environment, reality))
            environment.faces.in_child.append(lambda _: look_after(UndoStack(), environment, reality))
            share_process_locks(undo, environment)
        yield
