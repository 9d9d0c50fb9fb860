"""Guards what starts another program, or another process, and what would put one in the place of this one."""

from __future__ import annotations

import multiprocessing.process
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from functools import partial
from time import monotonic, sleep
from typing import Any, NoReturn

from greenlet import greenlet

from retrysim.clock import grid_ns
from retrysim.errors import RealWait, Unsupported
from retrysim.kernel import Environment, Host
from retrysim.patches.audit_events import guard_events
from retrysim.patches.companions import Companions
from retrysim.patches.places import call_site, is_ours, outwards
from retrysim.patches.reality import SUBPROCESS, Reality
from retrysim.patches.references import REAL_MODULES
from retrysim.patches.stand_ins import StandIns
from retrysim.undo import UndoStack

try:
    import _posixsubprocess
except ImportError:  # Windows
    _posixsubprocess = None  # type: ignore[assignment]

_real_ident = threading.get_ident
#: How often a process is looked at that is waited for with a timeout, in real seconds.
_LOOK = 0.005
#: Functions of the C library that would go round everything here, when a task looks them up by ctypes.
_BELOW_PYTHON = frozenset(
    {
        "_exit", "_Exit", "exit", "quick_exit", "abort", "raise", "kill", "killpg", "tgkill", "pthread_kill", "fork",
        "vfork", "execv", "execve", "execvp", "execl", "execlp", "system", "popen", "posix_spawn", "alarm",
        "setitimer", "signal", "sigaction", "connect", "sendto", "sendmsg", "getaddrinfo", "gethostbyname",
        "Py_Exit", "Py_FatalError", "Py_FinalizeEx",
    }
)  # fmt: skip


def guard_programs(stand_ins: StandIns, environment: Environment, reality: Reality) -> None:
    """Let simulated processes start what is allowed, and nothing end or replace the one that plays the simulation."""
    if hasattr(os, "fork"):
        environment.faces.must_be_able_to_fork = partial(refuse_real_threads, reality)
        environment.faces.fork = partial(_fork_a_host, os.fork, reality)
    for name in ("fork", "forkpty"):
        if hasattr(os, name):
            stand_ins.put(os, name, reality.instead_of(getattr(os, name), _fork(environment, reality, name)))
    for name in ("system", "posix_spawn", "posix_spawnp"):
        if hasattr(os, name):
            stand_ins.put(os, name, reality.guarded(getattr(os, name), f"calls os.{name}", SUBPROCESS))
    replace_simulated_processes_only(stand_ins, reality)
    if _posixsubprocess is not None:
        # subprocess.Popen is guarded before it comes here, so that this is how multiprocessing spawns
        stand_ins.put(_posixsubprocess, "fork_exec", _fork_exec(reality))
    _guard_popen(stand_ins, environment, reality)
    start = multiprocessing.process.BaseProcess.start
    guarded = reality.guarded(start, "starts a process by multiprocessing", SUBPROCESS)
    stand_ins.put(multiprocessing.process.BaseProcess, "start", guarded)
    _guard_captured(stand_ins, reality)


def replace_simulated_processes_only(stand_ins: StandIns, reality: Reality) -> None:
    """Let a program be put in the place of a simulated process, and never of the one that runs the test."""
    for name in ("execv", "execve"):
        stand_ins.put(os, name, reality.instead_of(getattr(os, name), _exec(reality, name)))


def refuse_real_threads(reality: Reality) -> None:
    """Raise ``Unsupported`` where threads run in real time: a fork has none of them, and their locks stay held.

    A daemon thread may be cut off at any line: one that the app's modules have started is, in production, too.
    """
    running, ours = sys._current_frames(), _real_ident()
    threads = [thread for ident, thread in threading._active.items() if ident in running and ident != ours]  # type: ignore[attr-defined]
    names = ", ".join(sorted(repr(thread.name) for thread in threads if not (thread.daemon or _is_the_runners(thread))))
    if names:
        raise Unsupported(
            f"isolated=True forks this process, which would cut off the threads that run in it: {names}\n"
            "  End them before the worker starts, or start it without isolated=True"
        )
    for thread in filter(lambda thread: not _is_the_runners(thread), threads):
        reality.note(f"the daemon thread {thread.name!r} runs in no isolated pool process: a fork cuts it off")


def _is_the_runners(thread: threading.Thread) -> bool:
    """Whether it keeps the time of the test runner, which a child has no use for."""
    function = getattr(thread, "function", None) or getattr(thread, "_target", None)
    return str(getattr(function, "__module__", "")).startswith(REAL_MODULES)


def _fork_a_host(fork: Callable[[], int], reality: Reality) -> int:
    """Fork what plays the simulation, for a host that is to be a process of the machine."""
    refuse_real_threads(reality)
    permitted = SUBPROCESS in reality.allowed
    reality.allowed.add(SUBPROCESS)
    try:
        pid: int = _as_the_real_thread(fork)
        return pid
    finally:
        if not permitted:
            reality.allowed.discard(SUBPROCESS)


def _as_the_real_thread(fork: Callable[[], Any]) -> Any:
    """What ``fork()`` returns. To ``threading``, the thread of a child is the real one, not the simulated one."""
    simulated, threading.get_ident = threading.get_ident, _real_ident
    try:
        with warnings.catch_warnings():  # from 3.12 on: of a thread of ours, which watches this one
            warnings.simplefilter("ignore", DeprecationWarning)
            return fork()
    finally:
        threading.get_ident = simulated


def _fork(environment: Environment, reality: Reality, name: str) -> Any:
    real = getattr(os, name)

    def fork(_process: Host) -> Any:
        reality.check(f"calls os.{name}", SUBPROCESS)
        forked = _as_the_real_thread(real)
        pid = forked if isinstance(forked, int) else forked[0]
        if pid == 0:
            environment.leave_to_a_child(greenlet(_end_child))
        return forked

    return fork


def _end_child(*_args: object) -> NoReturn:
    """A forked child has come to where the simulation would go on, which it has no part in."""
    os._exit(0)


def _exec(reality: Reality, name: str) -> Any:
    def execute(process: Host, path: Any, args: Any, env: Any = None) -> NoReturn:
        """The program runs as a child of this one, and the simulated process ends as it does."""
        if not reality.permits(SUBPROCESS):
            raise RealWait(
                f"{reality.who} calls os.{name}, which replaces its process by the program {os.fsdecode(path)}\n"
                f'  at {call_site()}\n  If the program is to run: sim.allow("{SUBPROCESS}")'
            )
        if process.is_a_thread_of_the_test:
            process.end(0)  # which is refused
        process.end(subprocess.call(list(args), executable=path, env=env))
        raise AssertionError("a process that has ended went on")

    return execute


def _guard_popen(stand_ins: StandIns, environment: Environment, reality: Reality) -> None:
    real = subprocess.Popen.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        self._child_created = False  # for __del__, when the check fails
        _check(reality, "starts a subprocess")
        real(self, *args, **kwargs)

    stand_ins.put(subprocess.Popen, "__init__", init)
    programs_live_in_real_time(stand_ins.undo, environment, reality.companions)


def _fork_exec(reality: Reality) -> Callable[..., Any]:
    real = _posixsubprocess.fork_exec

    def fork_exec(*args: Any, **kwargs: Any) -> Any:
        _check(reality, "starts a process by multiprocessing")
        return real(*args, **kwargs)

    return fork_exec


def _check(reality: Reality, what: str) -> None:
    if not _asks_what_machine_this_is():
        reality.check(what, SUBPROCESS)


def _asks_what_machine_this_is() -> bool:
    """Whether it is the module ``platform`` that starts a program: ``uname`` or ``file``."""
    callers = (frame.f_globals.get("__name__") for frame in outwards(sys._getframe(1)) if not is_ours(frame))
    return next((name for name in callers if name != "subprocess"), "") == "platform"


def programs_live_in_real_time(undo: UndoStack, environment: Environment, companions: Companions) -> None:
    """Let ``Popen.wait`` wait for a process that lives in real time, whatever the clock says, until ``undo``.

    When it does not end in time, that much virtual time has passed, too. Those of the test are noted.
    """
    real_init, real = subprocess.Popen.__init__, subprocess.Popen.wait

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        real_init(self, *args, **kwargs)
        if environment.owns_thread and environment.current is None:
            companions.note_program(self)

    def wait(self: Any, timeout: float | None = None) -> int:
        if timeout is None or environment.over or not environment.owns_thread:
            return real(self, timeout)
        until = monotonic() + timeout
        while self.poll() is None:
            if monotonic() >= until:
                environment.sleep(grid_ns(timeout))
                raise subprocess.TimeoutExpired(self.args, timeout)
            sleep(min(_LOOK, timeout))
        return int(self.returncode)

    undo.set_attribute(subprocess.Popen, "__init__", init)
    undo.set_attribute(subprocess.Popen, "wait", wait)


def _guard_captured(stand_ins: StandIns, reality: Reality) -> None:
    """Where somebody has kept the real function in a place that no name leads to, Python still tells of the call."""

    def starts(*_args: Any) -> None:
        _check(reality, "starts a process")

    def replaces(path: Any, *_args: Any) -> None:
        if reality.inside:
            raise Unsupported(
                f"{reality.who} replaces its process by the program {os.fsdecode(path)}, "
                f"by a function that was kept from before the simulation\n  at {call_site()}"
            )

    def looks_up(_library: Any, name: Any) -> None:
        if name in _BELOW_PYTHON and reality.inside and not reality.is_importing:
            raise Unsupported(
                f"{reality.who} looks up the C function {name} by ctypes, for which nothing here can stand in"
                f"\n  at {call_site()}\n  Use the function of the module os, signal or socket"
            )

    events = dict.fromkeys(("os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"), starts)
    guard_events(stand_ins.undo, {**events, "os.exec": replaces, "ctypes.dlsym": looks_up})
