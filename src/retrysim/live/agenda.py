"""What the stage has still to do, by the instant at which it is due; others may add to it from their threads."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

Act = Callable[[], None]


class Agenda:
    """Acts in the order of time; those of one instant in the order in which they were added."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heap: list[tuple[int, int, Act]] = []
        self._numbers = itertools.count()
        self._doing = False

    def add(self, at_ns: int, act: Act) -> None:
        with self._lock:
            heapq.heappush(self._heap, (at_ns, next(self._numbers), act))

    def __bool__(self) -> bool:
        return bool(self._heap) or self._doing

    @property
    def next_ns(self) -> int | None:
        """When the next act is due."""
        with self._lock:
            return self._heap[0][0] if self._heap else None

    def do_due(self, now_ns: int) -> None:
        """Do what is due by now."""
        while act := self._take(now_ns):
            try:
                act()
            finally:
                self._doing = False

    def _take(self, now_ns: int) -> Act | None:
        with self._lock:
            if not self._heap or self._heap[0][0] > now_ns:
                return None
            self._doing = True
            return heapq.heappop(self._heap)[2]
