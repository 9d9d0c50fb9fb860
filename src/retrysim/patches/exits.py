"""Stands in for what ends a process, or sends it a signal: in a task, a process of the simulation and never the test's.

``os._exit``, ``os.abort`` and what faulthandler crashes by run no ``finally`` block and tell nobody.
"""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from retrysim.clock import grid_ns
from retrysim.errors import RealWait
from retrysim.kernel import Environment, Host
from retrysim.patches.places import call_site, is_installed
from retrysim.patches.reality import SUBPROCESS, Reality
from retrysim.patches.stand_ins import StandIns

#: What the functions that faulthandler crashes by, for its tests, end a process with.
_CRASHES = {
    "_sigsegv": "SIGSEGV", "_read_null": "SIGSEGV", "_stack_overflow": "SIGSEGV", "_sigabrt": "SIGABRT",
    "_fatal_error_c_thread": "SIGABRT", "_sigfpe": "SIGFPE",
}  # fmt: skip


def end_simulated_processes_only(stand_ins: StandIns, environment: Environment, reality: Reality) -> None:
    """Let such a call end, or reach, the simulated process that it is made in."""
    ends = _Ends(environment, reality)
    stand_ins.put(os, "_exit", reality.instead_of(os._exit, ends.exit))
    stand_ins.put(os, "abort", reality.instead_of(os.abort, lambda process: ends.exit(process, -signal.SIGABRT)))
    stand_ins.put(os, "kill", reality.instead_of(os.kill, ends.kill))
    if hasattr(os, "killpg"):
        stand_ins.put(os, "killpg", reality.instead_of(os.killpg, ends.killpg))
    for name, by in _CRASHES.items():
        if hasattr(faulthandler, name):
            crash = partial(ends.crash, getattr(signal, by))
            stand_ins.put(faulthandler, name, reality.instead_of(getattr(faulthandler, name), crash))
    later, cancel = faulthandler.dump_traceback_later, faulthandler.cancel_dump_traceback_later
    stand_ins.put(faulthandler, later.__name__, reality.instead_of(later, ends.dump_later))
    stand_ins.put(faulthandler, cancel.__name__, reality.instead_of(cancel, ends.cancel_dump))
    stand_ins.put(atexit, "register", reality.instead_of(atexit.register, partial(ends.register, atexit.register)))


class _Ends:
    """The ends of processes, each for the process that it is called in."""

    def __init__(self, environment: Environment, reality: Reality) -> None:
        self._environment = environment
        self._reality = reality
        self._kill = os.kill
        self._dumps: dict[Host, Any] = {}

    def exit(self, process: Host, status: int) -> NoReturn:
        process.end(status if status < 0 else status & 0xFF)
        raise AssertionError("a process that has ended went on")

    def crash(self, number: int, process: Host, *_args: Any) -> NoReturn:
        self.exit(process, -number)

    # -- signals to processes, by their ids ----------------------------------------------------------------------------

    def kill(self, process: Host, pid: int, sig: int, /) -> None:
        if pid < -1:
            self.killpg(process, -pid, sig)
            return
        if pid == 0:
            self._send_to_group(process, sig)
            return
        whom = self._process_with(process, pid)
        if whom is None:
            self._send_outside(pid, sig)
        elif sig:
            whom.send(sig)

    def killpg(self, process: Host, pgid: int, sig: int, /) -> None:
        if pgid in (0, os.getpgrp(), os.getpid()):
            self._send_to_group(process, sig)
        else:
            self._send_outside(-pgid, sig)

    def _send_to_group(self, process: Host, sig: int) -> None:
        """A worker and its children are one group; who sends is reached last, for it may not come back."""
        if not sig:
            return
        first = process.parent or process
        for member in [*(child for child in first.children if child is not process), first, process]:
            if member is not process or process is not first:
                member.send(sig)
        if process is first:
            process.send(sig)

    def _process_with(self, process: Host, pid: int) -> Host | None:
        if pid == os.getpid():
            return process
        if pid == os.getppid():
            return process.parent
        family = process.parent or process
        return next((child for child in family.children if child.pid == pid), None)

    def _send_outside(self, pid: int, sig: int) -> None:
        if sig and not self._reality.permits(SUBPROCESS):
            name = signal.Signals(sig).name
            raise RealWait(
                f"{self._reality.who} sends {name} to process {pid}, which is none of the simulation\n"
                f'  at {call_site()}\n  If that is meant: sim.allow("{SUBPROCESS}")'
            )
        self._kill(pid, sig)

    # -- faulthandler's watchdog ---------------------------------------------------------------------------------------

    def dump_later(
        self,
        process: Host,
        timeout: float,
        repeat: bool = False,
        file: Any = None,
        exit: bool = False,  # noqa: A002
    ) -> None:
        self.cancel_dump(process)
        due_ns = self._environment.clock.ns + grid_ns(timeout)

        def dump() -> None:
            main = process.main
            stack = traceback.format_stack(main.greenlet.gr_frame) if main is not None and main.greenlet else []
            print(f"Timeout ({timeout})!\n", *stack, sep="", file=file or sys.stderr)
            if exit:
                process.end(1)
            elif repeat:
                self._dumps[process] = self._environment.schedule(
                    self._environment.clock.ns + grid_ns(timeout), dump, daemon=True
                )

        self._dumps[process] = self._environment.schedule(due_ns, dump)

    def cancel_dump(self, process: Host) -> None:
        event = self._dumps.pop(process, None)
        if event is not None:
            event.cancel()

    # -- the exit of the interpreter -----------------------------------------------------------------------------------

    def register(
        self, real: Callable[..., Any], process: Host, func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Callable[..., Any]:
        """A library's is for the interpreter that it was imported into, which is the test's."""
        module = sys.modules.get(getattr(func, "__module__", None) or "")
        if module is None or is_installed(module) or process.is_a_thread_of_the_test:
            real(func, *args, **kwargs)
        else:
            process.at_exit.append(partial(func, *args, **kwargs))
        return func
