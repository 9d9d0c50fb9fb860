"""Guards what a simulated process changes of its own process: here that one plays the simulation, and runs the tests.

What can be put back is changed, and put back with the end of the simulation. What cannot be is left out, and said once.
What gives up rights is refused: to go on with them would look as if it had worked. A simulated process that is one of
the machine changes its own settings for good.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from retrysim.errors import Unsupported
from retrysim.kernel import Host
from retrysim.patches.places import call_site
from retrysim.patches.reality import Reality
from retrysim.patches.stand_ins import StandIns
from retrysim.undo import UndoStack

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def _nothing(*_args: Any) -> None:
    pass


def _always(*_args: Any) -> bool:
    return True


def _is_this(pid: int, *_more: Any) -> bool:
    return pid in (0, os.getpid())


def _is_this_process(which: int, who: int, _priority: int) -> bool:
    return which == os.PRIO_PROCESS and _is_this(who)


#: Name -> what it returns where it is left out, and whether a call concerns none but the process that makes it.
_LEFT_OUT: dict[str, tuple[Callable[..., Any], Callable[..., bool]]] = {
    "nice": (lambda increment: os.getpriority(os.PRIO_PROCESS, 0) + increment, _always),
    "setpriority": (_nothing, _is_this_process),
    "setsid": (os.getpid, _always),
    "setpgid": (_nothing, _is_this),
    "setpgrp": (_nothing, _always),
    "sched_setaffinity": (_nothing, _is_this),
    "sched_setscheduler": (_nothing, _is_this),
    "sched_setparam": (_nothing, _is_this),
}
_REFUSED = (
    "setuid", "seteuid", "setreuid", "setresuid", "setgid", "setegid", "setregid", "setresgid", "setgroups",
    "initgroups", "chroot", "unshare", "setns",
)  # fmt: skip


def keep_the_settings_of_this_process(
    stand_ins: StandIns, reality: Reality, put_back_by: UndoStack | None = None
) -> None:
    """Let nothing stay of what simulated processes change of working directory, masks, limits, rank and rights.

    What can be put back is, when ``put_back_by`` is closed; by default with the stand-ins.
    """
    for name in _LEFT_OUT:
        if hasattr(os, name):
            real = getattr(os, name)
            stand_ins.put(os, name, reality.instead_of(real, partial(_leave_out, reality, name, real)))
    for name in _REFUSED:
        if hasattr(os, name):
            stand_ins.put(os, name, reality.instead_of(getattr(os, name), partial(_refuse, reality, name)))
    kept = _Kept(stand_ins.undo if put_back_by is None else put_back_by)
    for name, ours in (("chdir", kept.chdir), ("fchdir", kept.chdir), ("umask", kept.umask)):
        if hasattr(os, name):
            real = getattr(os, name)
            stand_ins.put(os, name, reality.instead_of(real, partial(ours, real)))
    if resource is not None:
        limit = partial(kept.setrlimit, reality, resource.setrlimit)
        stand_ins.put(resource, "setrlimit", reality.instead_of(resource.setrlimit, limit))
        if hasattr(resource, "prlimit"):
            of_any = partial(kept.prlimit, reality, resource.setrlimit, resource.prlimit)
            stand_ins.put(resource, "prlimit", reality.instead_of(resource.prlimit, of_any))


def _leave_out(reality: Reality, name: str, real: Callable[..., Any], _process: Host, *args: Any) -> Any:
    answer, is_its_own = _LEFT_OUT[name]
    if not reality.is_in_a_real_process:
        reality.note(f"os.{name} is left out: simulated processes run in one process of the machine, the test's")
        return answer(*args)
    if is_its_own(*args):
        return real(*args)
    reality.note(f"os.{name} of another process is left out")
    return answer(*args)


def _refuse(reality: Reality, name: str, _process: Host, *_args: Any) -> None:
    raise Unsupported(
        f"{reality.who} calls os.{name}, which would change the rights of the process that runs the test\n"
        f"  at {call_site()}\n  Leave it out where the code is tested"
    )


class _Kept:
    """What was there before it was changed first, and what was left: what the test has changed since stays."""

    def __init__(self, undo: UndoStack) -> None:
        self._undo = undo
        self._left: dict[Any, Any] = {}

    def _changed(self, what: Any, before: Any, read: Callable[[], Any], write: Callable[[Any], object]) -> None:
        if what not in self._left:
            self._undo.then(partial(self._put_back, what, before, read, write))
        self._left[what] = read()

    def _put_back(self, what: Any, before: Any, read: Callable[[], Any], write: Callable[[Any], object]) -> None:
        if read() in (self._left.pop(what), None):
            write(before)

    def chdir(self, real: Callable[[Any], None], _process: Host, path: Any) -> None:
        before = _directory()
        real(path)
        if before is not None:
            self._changed("directory", before, _directory, os.chdir)

    def umask(self, real: Callable[[int], int], _process: Host, mask: int, /) -> int:
        before = real(mask)
        self._changed("umask", before, partial(_mask, real), real)
        return before

    def setrlimit(
        self, reality: Reality, real: Callable[..., None], _process: Host, which: int, limits: tuple[int, int], /
    ) -> None:
        """The soft limit, which can be raised again; a hard one changes only in a process of the machine's own."""
        if reality.is_in_a_real_process:
            real(which, limits)
            return
        soft, hard = resource.getrlimit(which)
        if which == resource.RLIMIT_CPU:
            reality.note("resource.RLIMIT_CPU is left out: the processor time of the whole test would count")
            return
        real(which, (limits[0], hard))
        self._changed(which, (soft, hard), partial(resource.getrlimit, which), partial(real, which))

    def prlimit(
        self,
        reality: Reality,
        set_own: Callable[..., None],
        real: Callable[..., tuple[int, int]],
        process: Host,
        pid: int,
        which: int,
        limits: tuple[int, int] | None = None,
        /,
    ) -> tuple[int, int]:
        """Those of another process of the machine are asked for only: what is done to it, nobody puts back."""
        before = real(pid, which)
        if limits is not None and pid in (0, os.getpid()):
            self.setrlimit(reality, set_own, process, which, limits)
        elif limits is not None:
            reality.note("resource.prlimit of another process is left out")
        return before


def _directory() -> Path | None:
    """The working directory; ``None`` if it was removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def _mask(umask: Callable[[int], int]) -> int:
    mask = umask(0)
    umask(mask)
    return mask
