"""Which attempt of a task something belongs to: copies of one message may run side by side, under one task id.

Celery gives each execution of a body a request of its own, and so each has its number here. What a worker's main
process tells of a pool process (a time limit, a lost child) names no request: there it is the attempt that can have
ended, since the process that ran it is gone or is the one that tells.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary


class RunsTasks(Protocol):
    """A process of the simulation."""

    @property
    def gone(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    number: int
    worker: str
    process: RunsTasks


class Attempts:
    """Numbers the attempts of each task, from 1, and finds the one that an event is about."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()
        self._of_request: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._running: defaultdict[str, list[_Running]] = defaultdict(list)

    def next(self, task_id: str) -> int:
        """The number of an attempt that begins."""
        self._begun[task_id] += 1
        return self._begun[task_id]

    def begin(self, request: Any, task_id: str, number: int, worker: str, process: RunsTasks | None) -> None:
        """Note that an attempt runs with this request, in this process (``None``: nobody knows)."""
        if request is not None:  # one that a child of the machine has
            self._of_request[request] = number
        if process is not None:
            self._running[task_id].append(_Running(number=number, worker=worker, process=process))

    def of(self, request: Any) -> int | None:
        """The number of the attempt that runs with this request, if one does."""
        return None if request is None else self._of_request.get(request)

    def ended(
        self,
        request: Any,
        task_id: str,
        worker: str,
        teller: RunsTasks | None,
        *,
        running: bool = False,
        number: int | None = None,
    ) -> int | None:
        """The attempt that an outcome ends: that of the request, or the ``number`` that is known already; else the one
        that ``teller`` must speak of, if any.
        """
        number = number or self.of(request)
        if number is None:
            of_worker = [one for one in self._running[task_id] if one.worker == worker]
            ended = [one for one in of_worker if one.process is teller or one.process.gone]
            number = next((one.number for one in ended or (of_worker if running else [])), None)
        self._running[task_id] = [one for one in self._running[task_id] if one.number != number]
        if not self._running[task_id]:
            del self._running[task_id]
        return number
