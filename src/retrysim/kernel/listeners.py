"""Who is notified of what happens in a simulation: each kind of event has a list, in the order in which they asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from retrysim.undo import UndoStack

if TYPE_CHECKING:
    from retrysim.kernel.host import Host
    from retrysim.kernel.process import Process
    from retrysim.kernel.thread import Thread


class Listeners:
    """As Trio's ``Instrument``: any number of listeners, none of which replaces anything. A listener must not wait."""

    def __init__(self) -> None:
        #: control goes to another host
        self.host_entered: list[Callable[[Host], object]] = []
        #: control goes to another thread
        self.thread_entered: list[Callable[[Thread], object]] = []
        #: a process gives way to whoever comes next; what a listener raises, the process gets
        self.before_wait: list[Callable[[Process], object]] = []
        #: a process was killed, whatever it was doing
        self.killed: list[Callable[[Process], object]] = []
        #: a host has died, with all its processes and children
        self.died: list[Callable[[Host], object]] = []
        #: the simulation is over: these processes never run again, and their stacks are freed next
        self.over: list[Callable[[Sequence[Process]], object]] = []
        #: this process of the machine is a copy, and the simulation goes on in it
        self.copied: list[Callable[[], object]] = []
        #: given the error of a test that waits for what cannot come; each gives it with what it knows
        self.explain: list[Callable[[str], str]] = []
        #: asked what a process that waits waits for, and where
        self.explain_wait: list[Callable[[Process], str]] = []
        #: asked who waits for an instant that is too late
        self.explain_late: list[Callable[[int], str]] = []
        #: entered while a run is under way, the first one outermost
        self.around_run: list[Callable[[], AbstractContextManager[object]]] = []

    def end(self) -> None:
        """The simulation is over: nobody is notified any more, nor kept in memory by this."""
        for listeners in vars(self).values():
            listeners.clear()

    def add(self, undo: UndoStack, **listeners: Callable[..., Any]) -> None:
        """Listen until ``undo`` is unwound: ``add(undo, died=forget)``."""
        for event, listener in listeners.items():
            getattr(self, event).append(listener)
            undo.callback(_remove, getattr(self, event), listener)


def _remove(listeners: list[Any], listener: Any) -> None:
    if listener in listeners:
        listeners.remove(listener)
