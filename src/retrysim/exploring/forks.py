"""Runs made in forked processes, side by side: each begins with the memory that this process has now.

A run patches its whole process and leaves an app's own globals as it left them; a fork of its own keeps the next run
from seeing either, whatever the number of processes. What is thrown away is not stopped.
"""

from __future__ import annotations

import gc
import math
import os
import pickle
import selectors
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Collection, Generator, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from retrysim.errors import InternalError

T = TypeVar("T")
R = TypeVar("R")

#: In a container: a simulation replaces a saved global.
_REAL: dict[str, Any] = {"monotonic": time.monotonic, "select": selectors.DefaultSelector.select}


@dataclass(slots=True)
class _Child:
    pid: int
    index: int
    pipe: int
    began: float
    parts: list[bytes] = field(default_factory=list)


class Forks(Generic[T, R]):
    """Makes runs in up to ``jobs`` children at once.

    ``on_hang(task)`` is the result of one that takes more than ``patience`` seconds of real time, by default of none.
    ``on_death(task, status)`` is that of one whose process ended without a result, by default an error; ``status`` is
    as ``os.waitpid`` has it. ``before(task)`` is called in this process before the fork. Of two tasks whose ``claims``
    have a value in common, the second begins when the first has ended.
    """

    def __init__(
        self,
        work: Callable[[T], R],
        *,
        jobs: int,
        on_hang: Callable[[T], R] | None = None,
        patience: float = 120.0,
        on_death: Callable[[T, int], R] | None = None,
        before: Callable[[T], object] = lambda _task: None,
        claims: Callable[[T], Collection[Hashable]] = lambda _task: (),
    ) -> None:
        self._work = work
        self._jobs = jobs
        self._on_hang = on_hang
        self._patience = patience if on_hang is not None else math.inf
        self._on_death = on_death
        self._before = before
        self._claims = claims
        self._children: dict[int, _Child] = {}
        self._selector = selectors.DefaultSelector()

    def results(self, tasks: Sequence[T]) -> Generator[tuple[int, R]]:
        """(index of the task, its result), as they come; whoever stops listening stops the children."""
        waiting = list(enumerate(tasks))
        gc.collect()
        gc.freeze()  # what is collected in a child would be copied into it
        try:
            while waiting or self._children:
                while len(self._children) < self._jobs and (first := self._next(waiting, tasks)) is not None:
                    self._begin(*first)
                yield from self._finished(tasks)
        finally:
            gc.unfreeze()
            self._end_all()

    def _next(self, waiting: list[tuple[int, T]], tasks: Sequence[T]) -> tuple[int, T] | None:
        """Takes the first that claims nothing of what runs, nor of what waits before it."""
        claimed = {claim for child in self._children.values() for claim in self._claims(tasks[child.index])}
        for position, (_, task) in enumerate(waiting):
            if claimed.isdisjoint(claims := self._claims(task)):
                return waiting.pop(position)
            claimed.update(claims)
        return None

    def _begin(self, index: int, task: T) -> None:
        self._before(task)
        read, write = os.pipe()
        pid = fork()
        if pid == 0:
            os.close(read)
            self._be_the_child(task, write)
        os.close(write)
        child = _Child(pid=pid, index=index, pipe=read, began=_REAL["monotonic"]())
        self._children[read] = child
        self._selector.register(read, selectors.EVENT_READ, child)

    def _be_the_child(self, task: T, pipe: int) -> None:
        """Never returns."""
        status = 1
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            be_silent()
            _write(pipe, pickle.dumps((True, self._work(task))))
            status = 0
        except BaseException:
            with suppress(BaseException):
                _write(pipe, pickle.dumps((False, traceback.format_exc())))
        finally:
            os._exit(status)

    def _finished(self, tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        for key, _ in _REAL["select"](self._selector, timeout=1.0):
            child: _Child = key.data
            part = os.read(child.pipe, 1 << 20)
            if part:
                child.parts.append(part)
                continue
            status = self._bury(child)
            yield child.index, self._result(child, tasks[child.index], status)
        now = _REAL["monotonic"]()
        for child in [one for one in self._children.values() if now - one.began > self._patience]:
            assert self._on_hang is not None
            _kill(child)
            self._bury(child)
            yield child.index, self._on_hang(tasks[child.index])

    def _result(self, child: _Child, task: T, status: int) -> R:
        data = b"".join(child.parts)
        if self._on_death is not None and (os.WIFSIGNALED(status) or not data):
            return self._on_death(task, status)
        if not data:
            raise InternalError(f"a run of this search ended its process without a result (number {child.index})")
        good, value = pickle.loads(data)
        if not good:
            raise InternalError(f"a run of this search failed on a bug of retrysim:\n{value}")
        return value  # type: ignore[no-any-return]

    def _bury(self, child: _Child) -> int:
        self._selector.unregister(child.pipe)
        os.close(child.pipe)
        del self._children[child.pipe]
        return os.waitpid(child.pid, 0)[1]

    def _end_all(self) -> None:
        for child in list(self._children.values()):
            _kill(child)
            self._bury(child)


def fork() -> int:
    """``os.fork``. Python warns of other threads, none of which is needed in a child."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def be_silent() -> None:
    """What this process prints is shown to nobody, and it can ask nobody."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)


def _kill(child: _Child) -> None:
    """With the processes that it has started, if it leads a group of its own."""
    with suppress(ProcessLookupError):
        if os.getpgid(child.pid) == child.pid:
            os.killpg(child.pid, signal.SIGKILL)
        else:
            os.kill(child.pid, signal.SIGKILL)


def _write(pipe: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]
