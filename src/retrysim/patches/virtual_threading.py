"""Puts threads of the simulation under ``threading``, ``select`` and ``asyncio``, so that waiting there is virtual.

In place for the whole of a simulation, also while its clocks are real for a moment: locks are held meanwhile.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from retrysim.kernel import Environment
from retrysim.patches.exits import end_pool_processes_only
from retrysim.patches.locks import Lock, RLock
from retrysim.patches.locks_made_before import replace_locks_made_before
from retrysim.patches.other_loops import virtual_event_loops
from retrysim.patches.real_locks import end_what_blocks_for_real
from retrysim.patches.real_world import guard_the_real_world
from retrysim.patches.reality import Reality
from retrysim.patches.references import replace_references, restore_references_of_new_modules
from retrysim.patches.selects import virtual_selects
from retrysim.patches.thread_state import own_thread_state
from retrysim.patches.threads import VirtualThreads
from retrysim.patches.waits import virtual_condition_waits
from retrysim.undo import UndoStack


@contextmanager
def virtual_threading(environment: Environment, reality: Reality) -> Iterator[None]:
    """While inside, each process of the simulation is a thread to the code in it."""
    with UndoStack() as undo:
        threads = VirtualThreads(environment, reality)
        stand_ins: dict[Any, object] = {
            threading.Lock: partial(Lock, reality.locks),
            threading._CRLock: partial(RLock, reality.locks),  # type: ignore[attr-defined]
            threading.get_ident: threads.get_ident,
            queue.SimpleQueue: queue._PySimpleQueue,  # type: ignore[attr-defined]
        }
        for name in ("Lock", "_CRLock", "get_ident"):  # by hand: what real threads are made with must stay real
            undo.set_attribute(threading, name, stand_ins[getattr(threading, name)])
        replace_references(undo, stand_ins)
        restore_references_of_new_modules(undo, stand_ins)
        undo.then(reality.locks.release_all)
        replace_locks_made_before(undo, reality.locks)
        threads.connect(undo)
        virtual_condition_waits(undo, environment, threads.starting)
        virtual_selects(undo, environment, reality)
        virtual_event_loops(undo, environment, reality)
        guard_the_real_world(undo, environment, reality)
        end_pool_processes_only(undo, environment)
        own_thread_state(undo, environment)
        end_what_blocks_for_real(undo, environment, reality)
        yield
