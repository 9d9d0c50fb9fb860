"""What the interpreter keeps for a thread, given to each simulated thread: ``threading.local``, the running event loop.

Two tasks that are suspended at once are two threads to the code in them, though one operating system thread runs both.
"""

from __future__ import annotations

import sys
from asyncio import events
from typing import Any

from retrysim.kernel import Environment, Thread
from retrysim.patches.thread_locals import thread_locals
from retrysim.undo import UndoStack


class _Kept:
    """What a thread left, to be there again when it goes on."""

    __slots__ = ("hooks", "locals", "loop")

    def __init__(self, own_locals: Any) -> None:
        self.locals = own_locals
        self.loop: Any = None
        self.hooks: Any = (None, None)


def own_thread_state(undo: UndoStack, environment: Environment) -> None:
    """Let each thread of the simulation find what it left, until ``undo`` is unwound."""
    held = thread_locals()
    get_loop, set_loop = events._get_running_loop, events._set_running_loop
    get_hooks, set_hooks = sys.get_asyncgen_hooks, sys.set_asyncgen_hooks
    main = environment.main_thread
    main.kept = ours = _Kept(held.keep())

    def enter(thread: Thread) -> None:
        nonlocal ours
        theirs = thread.kept
        if theirs is None:
            theirs = thread.kept = _Kept(held.keep())
        before, ours.loop = ours, get_loop()
        held.exchange(before.locals, theirs.locals)
        if before.loop is not None or theirs.loop is not None:
            before.hooks = get_hooks()
            set_loop(theirs.loop)
            set_hooks(*theirs.hooks)
        ours = theirs

    environment.listeners.add(undo, thread_entered=enter)
    undo.then(lambda: None if ours is main.kept else enter(main))
