"""Files and folders that tasks change. With ``files="scratch"`` they may change only what the run itself has made.

Python reports each of these calls to its audit hooks, whoever makes it, and a ``shutil.rmtree`` file by file. What a
library in C opens itself (``dbm.gnu``, HDF5) is not reported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from typing import Any

from retrysim.errors import InputError
from retrysim.outside.barrier import Barrier
from retrysim.patches.audit_events import guard_events
from retrysim.patches.loaded import unnoticed
from retrysim.patches.reality import Reality
from retrysim.patches.references import replace_references
from retrysim.undo import UndoStack

#: A path, or the number of an open file; and the folder that a relative path starts from.
Place = tuple[Any, int]
_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_HERE = -1


def must_be_files(files: str) -> str:
    """The value of ``files``, or ``InputError``."""
    if files not in ("real", "scratch"):
        raise InputError(f'files={files!r}: expected "real" or "scratch"')
    return files


def guard_files(undo: UndoStack, barrier: Barrier, reality: Reality) -> None:
    """Until ``undo`` is unwound, refuse what tasks change in files that this run has not made."""
    guard_events(undo, {event: partial(_check, barrier, reality, places) for event, places in _EVENTS.items()})
    unreported = [getattr(os, name) for name in ("mkfifo", "mknod") if hasattr(os, name)]
    with unnoticed(undo):
        replace_references(undo, {real: _checked(barrier, reality, real) for real in unreported})


def _check(barrier: Barrier, reality: Reality, places: Callable[..., Iterator[Place]], *args: Any) -> None:
    if not reality.inside or reality.is_importing:
        return
    for place in places(*args):
        path = _path(*place)
        if path is not None and not path.is_char_device():
            barrier.file(path)


def _checked(barrier: Barrier, reality: Reality, real: Callable[..., None]) -> Callable[..., None]:
    @wraps(real)
    def make(path: Any, *args: Any, dir_fd: int | None = None, **options: Any) -> None:
        _check(barrier, reality, _first_in_a_folder, path, _HERE if dir_fd is None else dir_fd)
        real(path, *args, dir_fd=dir_fd, **options)

    return make


def _opened(path: Any, _mode: Any, flags: int) -> Iterator[Place]:
    # ``tempfile`` opens a folder, by which it means a file in it that it opens next.
    if flags & _CHANGES and not isinstance(path, int) and not Path(os.fsdecode(path)).is_dir():
        yield path, _HERE


def _first(path: Any, *_rest: Any) -> Iterator[Place]:
    yield path, _HERE


def _first_in_a_folder(path: Any, *rest: Any) -> Iterator[Place]:
    yield path, rest[-1]


def _second_in_a_folder(_source: Any, path: Any, *folders: int) -> Iterator[Place]:
    yield path, folders[-1]


def _both(source: Any, path: Any, of_source: int, of_path: int) -> Iterator[Place]:
    yield source, of_source
    yield path, of_path


def _bound(_socket: Any, address: Any) -> Iterator[Place]:
    """A socket of this machine has a file, unless its name is an abstract one."""
    if isinstance(address, str | bytes) and address and address[0] not in ("\0", 0):
        yield address, _HERE


#: https://docs.python.org/3/library/audit_events.html
_EVENTS: dict[str, Callable[..., Iterator[Place]]] = {
    "open": _opened,
    "os.chmod": _first_in_a_folder,
    "os.chown": _first_in_a_folder,
    "os.link": _second_in_a_folder,
    "os.mkdir": _first_in_a_folder,
    "os.remove": _first_in_a_folder,
    "os.removexattr": _first,
    "os.rename": _both,
    "os.rmdir": _first_in_a_folder,
    "os.setxattr": _first,
    "os.symlink": _second_in_a_folder,
    "os.truncate": _first,
    "os.utime": _first_in_a_folder,
    "socket.bind": _bound,
}


def _path(path: Any, folder: int) -> Path | None:
    """Where that is; ``None`` for an open file that has no place, such as a pipe."""
    if isinstance(path, int):
        named = _of_descriptor(path)
        return named if named is not None and named.is_absolute() and named.exists() else None
    start = Path() if folder == _HERE else _of_descriptor(folder) or Path()
    return start / os.fsdecode(path)


def _of_descriptor(number: int) -> Path | None:
    try:
        return Path(f"/proc/self/fd/{number}").readlink()
    except OSError:
        return None
