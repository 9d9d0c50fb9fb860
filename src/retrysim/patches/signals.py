"""Stands in for what the module ``signal`` does to a process: in a task, to the simulated one that the task runs in.

A handler that a task installs is its process's own and ends with it; an alarm rings in virtual time. What the test
itself does with signals is real.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
from collections.abc import Iterable
from pathlib import Path
from signal import SIGINT
from typing import Any

from retrysim.clock import grid_ns
from retrysim.kernel import Environment, Host
from retrysim.patches.reality import Reality
from retrysim.patches.stand_ins import StandIns

_NOT_MAIN = "signal only works in main thread of the main interpreter"


def signals_of_simulated_processes(stand_ins: StandIns, environment: Environment, reality: Reality) -> None:
    """Let each simulated process have its own signals, alarm and mask."""
    ours = _Signals(environment, reality)
    for name in (
        "signal", "getsignal", "alarm", "setitimer", "getitimer", "raise_signal", "pthread_kill", "pidfd_send_signal",
        "pthread_sigmask", "sigpending", "pause", "sigwait", "sigwaitinfo", "sigtimedwait", "siginterrupt",
        "set_wakeup_fd",
    ):  # fmt: skip
        if hasattr(signal, name):
            stand_ins.put(signal, name, reality.instead_of(getattr(signal, name), getattr(ours, name)))
    stand_ins.put(_thread, "interrupt_main", reality.instead_of(_thread.interrupt_main, ours.interrupt_main))


def _pid_of(pidfd: int) -> int:
    """Which process a file descriptor of ``os.pidfd_open`` refers to. Raises ``OSError`` if none."""
    lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text(encoding="ascii").splitlines()
    pid = int(dict(line.split(":", 1) for line in lines).get("Pid", 0))
    if pid <= 0:
        raise ProcessLookupError(3, "No such process")
    return pid


class _Signals:
    """The functions of the module ``signal``, each for the process that it is called in."""

    def __init__(self, environment: Environment, reality: Reality) -> None:
        self._environment = environment
        self._reality = reality

    # -- handlers ------------------------------------------------------------------------------------------------------

    def signal(self, process: Host, signalnum: int, handler: Any, /) -> Any:
        current = self._environment.current
        if current is not None and not current.on_main_thread:
            raise ValueError(_NOT_MAIN)
        if not callable(handler) and handler not in (signal.SIG_DFL, signal.SIG_IGN):
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
        if not 1 <= signalnum < signal.NSIG:
            raise ValueError("signal number out of range")
        if signalnum in (signal.SIGKILL, signal.SIGSTOP):
            raise OSError(22, "Invalid argument")
        before = process.handler(signalnum)
        process.handlers[signalnum] = handler if callable(handler) else signal.Handlers(handler)
        return before

    def getsignal(self, process: Host, signalnum: int, /) -> Any:
        return process.handler(signalnum)

    def siginterrupt(self, process: Host, _signalnum: int, _flag: bool, /) -> None:
        """Calls that wait go on after a handler in either case (PEP 475)."""

    def set_wakeup_fd(self, process: Host, fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
        before, process.wakeup_fd = process.wakeup_fd, fd
        return before

    # -- sending -------------------------------------------------------------------------------------------------------

    def raise_signal(self, process: Host, signalnum: int, /) -> None:
        process.send(signalnum)

    def pthread_kill(self, process: Host, thread_id: int, signalnum: int, /) -> None:
        """Python runs a handler on the main thread, whichever thread got the signal."""
        idents = [ident for ident, _ in threading._active.items()]  # type: ignore[attr-defined]
        if thread_id not in (*idents, self._environment.thread.ident):
            raise ProcessLookupError(3, "No such process")
        if signalnum:
            process.send(signalnum)

    def pidfd_send_signal(
        self, _process: Host, pidfd: int, sig: int, _siginfo: None = None, _flags: int = 0, /
    ) -> None:
        os.kill(_pid_of(pidfd), sig)  # the stand-in

    def interrupt_main(self, process: Host, signum: int = SIGINT, /) -> None:
        if callable(process.handler(signum)):
            process.send(signum)

    # -- alarms --------------------------------------------------------------------------------------------------------

    def alarm(self, process: Host, seconds: int, /) -> int:
        left, _ = process.alarm()
        process.set_alarm(seconds)
        return int(left + 0.999999)

    def setitimer(self, process: Host, which: int, seconds: float, interval: float = 0.0, /) -> Any:
        if which not in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            raise signal.ItimerError(22, "Invalid argument")
        if which != signal.ITIMER_REAL:
            self._reality.note(
                "signal.setitimer(ITIMER_VIRTUAL or ITIMER_PROF) has no effect: "
                "a body takes no time of the processor in a simulation"
            )
            return 0.0, 0.0
        before = process.alarm()
        process.set_alarm(seconds, interval)
        return before

    def getitimer(self, process: Host, which: int, /) -> Any:
        return process.alarm() if which == signal.ITIMER_REAL else (0.0, 0.0)

    # -- waiting and masks ---------------------------------------------------------------------------------------------

    def pause(self, process: Host, /) -> None:
        self._environment.wait(process.signalled)

    def pthread_sigmask(self, process: Host, how: int, mask: Iterable[int], /) -> set[Any]:
        before, given = set(process.blocked), {int(number) for number in mask}
        blocked = {
            signal.SIG_BLOCK: before | given,
            signal.SIG_UNBLOCK: before - given,
            signal.SIG_SETMASK: given,
        }[how]  # type: ignore[index]
        process.let_through(blocked)
        return set(map(_signal_of, before))

    def sigpending(self, process: Host, /) -> set[Any]:
        return set(map(_signal_of, process.pending))

    def sigwait(self, process: Host, sigset: Iterable[int], /) -> Any:
        return self._take(process, frozenset(map(int, sigset)), None)

    def sigwaitinfo(self, process: Host, sigset: Iterable[int], /) -> Any:
        return _info(self._take(process, frozenset(map(int, sigset)), None))

    def sigtimedwait(self, process: Host, sigset: Iterable[int], timeout: float, /) -> Any:
        taken = self._take(process, frozenset(map(int, sigset)), grid_ns(timeout))
        return None if taken is None else _info(taken)

    def _take(self, process: Host, awaited: frozenset[int], timeout_ns: int | None) -> Any:
        """The first of these signals that was sent while it is blocked."""
        clock = self._environment.clock
        deadline_ns = None if timeout_ns is None else clock.ns + timeout_ns
        while not (came := [number for number in process.pending if number in awaited]):
            left_ns = None if deadline_ns is None else deadline_ns - clock.ns
            if left_ns is not None and left_ns <= 0:
                return None
            self._environment.wait(process.signalled, timeout_ns=left_ns)
        process.pending.remove(came[0])
        return _signal_of(came[0])


def _signal_of(number: int) -> Any:
    try:
        return signal.Signals(number)
    except ValueError:  # a real-time signal
        return number


def _info(number: int) -> Any:
    """As of a signal that the kernel sent."""
    return signal.struct_siginfo((int(number), 0, 128, 0, 0, 0, 0))
