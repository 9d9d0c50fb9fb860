"""What ``billiard.current_process()`` and ``multiprocessing.current_process()`` give in a pool process: its own object.

It has the ``index`` by which projects choose a port or a device for each child, the name that logs show, and it is a
daemon, which ``multiprocessing`` permits no children.
"""

from __future__ import annotations

import multiprocessing.process
from functools import partial
from typing import Any

import billiard.process
from billiard.context import ForkProcess

from retrysim.kernel import SHARED, Environment, Host, OwnState
from retrysim.undo import UndoStack


def own_current_process(undo: UndoStack, environment: Environment) -> None:
    """Let each pool process find its own, until ``undo`` is unwound; everybody else finds the main process."""
    state = OwnState(environment)
    for module in (billiard.process, multiprocessing.process):
        get = partial(getattr, module, "_current_process")
        state.add(get, partial(setattr, module, "_current_process"), _process_of)
    state.connect(undo)


def be_a_pool_process(host: Host, number: int, index: int) -> None:
    """Make a host the ``number``-th child (from 1) that its worker forked, at an index below the concurrency."""
    process = ForkProcess(name=f"ForkPoolWorker-{number}", daemon=True)
    process._identity = (number,)
    process.index = index
    host.own[own_current_process] = process


def _process_of(host: Host) -> Any:
    return host.own.get(own_current_process, SHARED)
