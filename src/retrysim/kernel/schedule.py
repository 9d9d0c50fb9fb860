"""The schedule: callbacks with an instant, ordered by time and then by the order in which they were entered."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Event:
    """One scheduled callback. ``daemon`` events fire while others keep the run alive, and never keep it alive."""

    __slots__ = ("_schedule", "callback", "daemon", "ns")

    def __init__(self, schedule: Schedule, ns: int, callback: Callable[[], None], daemon: bool) -> None:
        self._schedule = schedule
        self.ns = ns
        self.callback: Callable[[], None] | None = callback
        self.daemon = daemon

    def cancel(self) -> None:
        """Take the event back; a second time, or after it fired, does nothing."""
        if self.callback is not None:
            self.callback = None
            self._schedule.forget(self)


class Schedule:
    """A heap of events. A cancelled event stays in the heap until it comes to the top."""

    __slots__ = ("_heap", "_sequence", "foreground")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Event]] = []
        self._sequence = 0
        #: how many events that keep the run alive are waiting
        self.foreground = 0

    def enter(self, ns: int, callback: Callable[[], None], *, daemon: bool) -> Event:
        event = Event(self, ns, callback, daemon)
        self._sequence += 1
        heapq.heappush(self._heap, (ns, self._sequence, event))
        self.foreground += not daemon
        return event

    def forget(self, event: Event) -> None:
        self.foreground -= not event.daemon

    def next_ns(self) -> int | None:
        """When the next event is due, or ``None``."""
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop(self) -> Callable[[], None]:
        """Take the next event off and return its callback; ``next_ns`` said that there is one."""
        event = heapq.heappop(self._heap)[2]
        callback = event.callback
        assert callback is not None
        event.callback = None
        self.forget(event)
        return callback
