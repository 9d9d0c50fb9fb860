"""Uses all cores: a function of plain data, in as many processes."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def in_processes(function: Callable[..., T], *arguments: Sequence[Any], jobs: int) -> Iterator[T]:
    """``map``, in ``jobs`` processes, if this one may have children: the results come in the order of the arguments."""
    if jobs <= 1 or len(arguments[0]) <= 1 or multiprocessing.current_process().daemon:
        yield from map(function, *arguments)
        return
    with ProcessPoolExecutor(jobs, mp_context=_context(), initializer=_begin, initargs=(list(sys.path),)) as pool:
        yield from pool.map(function, *arguments)


def _context() -> Any:
    """A fork has the app already; where forking is not safe, the processes import it anew."""
    safe = sys.platform == "linux" and threading.active_count() == 1
    return multiprocessing.get_context("fork" if safe else "spawn")


def _begin(path: Iterable[str]) -> None:
    sys.path[:] = path
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
