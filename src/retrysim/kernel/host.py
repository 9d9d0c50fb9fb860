"""A host: one simulated process of the operating system, with its role, its parent, its signals and its own state.

A worker's main process is one, and so is each child of its pool, a beat, a program, and the test itself. What ends one
of them ends its children with it, and never the process that runs the simulation.

The rest of the simulation reaches the inside of a host by few messages: start, deliver, resume, die; and hears from it
that it waits, that it has sent something, and what happened.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from enum import Enum
from functools import cache, partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from retrysim.clock import grid_ns
from retrysim.durations import SECOND
from retrysim.errors import SimulationError, Unsupported
from retrysim.kernel.condition import Condition

if TYPE_CHECKING:
    from retrysim.kernel.environment import Environment
    from retrysim.kernel.process import Process
    from retrysim.kernel.schedule import ScheduledCall

_OURS = str(Path(__file__).parents[1])
#: What the default action of each signal is, where that is not the end of the process (signal(7)).
_IGNORED_BY_DEFAULT = ("SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH")
_STOPS = ("SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU")
_NOT_CAUGHT = ("SIGKILL", "SIGSTOP")


class Role(Enum):
    """What a host is there for."""

    TEST = "test"
    WORKER = "worker"
    CHILD = "child"
    BEAT = "beat"
    PROGRAM = "program"


class Host:
    """One simulated process.

    ``machine`` is what it runs on, by default one of its own name: what the network parts is a machine, which a process
    that is started anew shares with the one before it.

    ``end`` is called with what it exits with (below zero: the signal that killed it), and ends it; unless it raises,
    no line of the process runs after that. ``main`` is what runs on its main thread, where handlers run.
    """

    def __init__(
        self,
        environment: Environment,
        name: str,
        *,
        role: Role,
        end: Callable[[int], None] | None = None,
        parent: Host | None = None,
        machine: str | None = None,
        pid: int | None = None,
    ) -> None:
        self.name = name
        self.role = role
        #: it dies when its parent does
        self.parent = parent
        self.machine: str = machine or (parent.machine if parent is not None else name)
        self.pid = pid
        self.main: Process | None = None
        #: whether it has been killed
        self.gone = False
        #: what it has for itself, by whoever keeps it
        self.own: dict[object, Any] = {}
        self.children: list[Host] = []
        #: how often something has run on it, or in a child of its pool, or looked inside
        self.activity = 0
        #: told of each signal that is sent to it
        self.on_signal: Callable[[int], None] = _nothing
        #: handler by signal; as Python begins with them
        self.handlers: dict[int, Any] = {
            **dict.fromkeys(_numbers("SIGPIPE", "SIGXFSZ"), signal.SIG_IGN),
            signal.SIGINT: signal.default_int_handler,
        }
        #: signals that wait until they are let through
        self.blocked: set[int] = set()
        self.pending: list[int] = []
        #: notified when a signal came
        self.signalled = Condition("a signal")
        #: a file that is written to when a signal came
        self.wakeup_fd = -1
        #: what is called when its interpreter exits, the last one first
        self.at_exit: list[Callable[[], object]] = []
        self._environment = environment
        self.on_end = end or self._cannot_end
        self._alarm: tuple[ScheduledCall, int, int] | None = None  # when it rings, and the interval
        if parent is not None:
            parent.children.append(self)  # last: who is half made when a signal raises is nobody's child

    def __repr__(self) -> str:
        return f"<Host {self.name!r}, {self.role.value}>"

    def __str__(self) -> str:
        return self.name

    @property
    def top(self) -> Host:
        """The worker of a pool's child; any other host itself."""
        return self.parent.top if self.role is Role.CHILD and self.parent is not None else self

    @property
    def is_of_the_test(self) -> bool:
        """Whether it is the test's own process, or stands for a thread in it, and what that has forked."""
        return self.role is Role.TEST or (self.parent is not None and self.parent.is_of_the_test)

    @property
    def is_a_thread_of_the_test(self) -> bool:
        """Whether it is the test's own process, or stands for a thread in it, which cannot end without the test."""
        return self.role is not Role.CHILD and self.is_of_the_test

    # -- signals -------------------------------------------------------------------------------------------------------

    def fork(self, child: Host) -> None:
        """Let a child begin with these handlers."""
        child.handlers, child.blocked = dict(self.handlers), set(self.blocked)

    def handler(self, number: int) -> Any:
        return self.handlers.get(number, signal.SIG_DFL)

    def send(self, number: int) -> None:
        """Send it a signal: its handler runs, or it ends, or nothing happens."""
        self.on_signal(number)
        handler = self.handler(number)
        if number in _numbers(*_NOT_CAUGHT):
            self._default(number)
        elif number in self.blocked:
            self.pending.append(number)
            self.signalled.notify_all()
        elif callable(handler):
            self._run(handler, number)
        elif handler == signal.SIG_DFL:
            self._default(number)

    def _default(self, number: int) -> None:
        if number in _numbers(*_STOPS):
            raise Unsupported(f"{signal.Signals(number).name} would stop {self.name} until SIGCONT comes")
        if number not in _numbers(*_IGNORED_BY_DEFAULT):
            self.end(-number)

    def _run(self, handler: Callable[[int, FrameType | None], Any], number: int) -> None:
        environment = self._environment
        current = environment.current
        here = current is not None and current.host is self and current.on_main_thread
        target = current if here else self.main or current

        def run() -> None:
            handler(number, _interrupted(sys._getframe()))
            self.signalled.notify_all()

        if self.wakeup_fd >= 0:
            os.write(self.wakeup_fd, bytes([number]))
        if target is None or target is current:
            run()
        else:
            environment.signal(target, run)

    def let_through(self, blocked: set[int]) -> None:
        """Block these signals, and no others: those that waited come now."""
        self.blocked = blocked
        waiting, self.pending = self.pending, []
        for number in waiting:
            self.send(number)

    # -- its end -------------------------------------------------------------------------------------------------------

    def end(self, status: int) -> None:
        """End it at once: an exit code, or below zero a signal."""
        self.on_end(status)

    def _cannot_end(self, status: int) -> None:
        raise SimulationError(f"{self.name} cannot end (exit status {status})")

    def ended(self) -> None:
        """It is gone, and so are its children: no alarm rings any more, and its parent forgets it."""
        self.gone = True
        for child in list(self.children):
            child.ended()
        self.set_alarm(0)
        if self.parent is not None and self in self.parent.children:
            self.parent.children.remove(self)

    def exit(self) -> None:
        """What the interpreter does before it ends, when the process returns from its main function."""
        while self.at_exit:
            self.at_exit.pop()()

    # -- the alarm -----------------------------------------------------------------------------------------------------

    def alarm(self) -> tuple[float, float]:
        """How long until it rings, and how often after that, in seconds; zero for never."""
        if self._alarm is None:
            return 0.0, 0.0
        _, due_ns, interval_ns = self._alarm
        return max(due_ns - self._environment.clock.ns, 0) / SECOND, interval_ns / SECOND

    def set_alarm(self, seconds: float, interval: float = 0.0) -> None:
        """Let SIGALRM come in that many seconds of virtual time, and again after each interval; zero for never."""
        if self._alarm is not None:
            self._alarm[0].cancel()
            self._alarm = None
        if seconds > 0:
            self._schedule(grid_ns(seconds), grid_ns(interval), again=False, whom=self._environment.current)

    def _schedule(self, in_ns: int, interval_ns: int, *, again: bool, whom: Process | None) -> None:
        due_ns = self._environment.clock.ns + in_ns
        ring = partial(self._ring, interval_ns, whom)
        # one that rings again and again keeps no run alive: it would never end
        self._alarm = self._environment.schedule(due_ns, ring, daemon=again), due_ns, interval_ns

    def _ring(self, interval_ns: int, whom: Process | None) -> None:
        self._alarm = None
        if interval_ns:
            self._schedule(interval_ns, interval_ns, again=True, whom=whom)
        if self.main is None:
            self.main, before = whom, self.main
            try:
                self.send(signal.SIGALRM)
            finally:
                self.main = before
        else:
            self.send(signal.SIGALRM)


@cache
def _numbers(*names: str) -> frozenset[int]:
    """The signals of these names that the operating system has."""
    return frozenset(getattr(signal, name) for name in names if hasattr(signal, name))


def _interrupted(frame: FrameType | None) -> FrameType | None:
    """The line that a handler interrupts: the innermost that is not of this package."""
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return frame


def _nothing(_number: int) -> None:
    pass
