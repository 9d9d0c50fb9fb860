"""The schedule: callbacks with an instant, ordered by time and then by the order in which they were entered."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrysim.kernel.beat import Beat


class ScheduledCall:
    """One scheduled callback. ``daemon`` events fire while others keep the run alive, and never keep it alive."""

    __slots__ = ("_schedule", "beat", "callback", "daemon", "ns", "stands_for")

    def __init__(self, schedule: Schedule, ns: int, callback: Callable[[], None], daemon: bool) -> None:
        self._schedule = schedule
        self.ns = ns
        self.callback: Callable[[], None] | None = callback
        self.daemon = daemon
        #: decides whether it is fired when it is due, or passes
        self.beat: Beat | None = None
        #: tells the later instant for whose sake it keeps the run alive, if it is for one
        self.stands_for: Callable[[], int | None] = _itself

    def cancel(self) -> None:
        """Take the event back; a second time, or after it fired, does nothing."""
        if self.callback is not None:
            self.callback = None
            self._schedule.forget(self)


class Schedule:
    """A heap of events. A cancelled event stays in the heap until it comes to the top."""

    __slots__ = ("_heap", "_sequence", "foreground")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, ScheduledCall]] = []
        self._sequence = 0
        #: how many events that keep the run alive are waiting
        self.foreground = 0

    def enter(self, ns: int, callback: Callable[[], None], *, daemon: bool) -> ScheduledCall:
        event = ScheduledCall(self, ns, callback, daemon)
        self._sequence += 1
        heapq.heappush(self._heap, (ns, self._sequence, event))
        self.foreground += not daemon
        return event

    def forget(self, event: ScheduledCall) -> None:
        self.foreground -= not event.daemon

    def clear(self) -> None:
        """Forget all events."""
        self._heap.clear()
        self.foreground = 0

    def next_ns(self) -> int | None:
        """When the next event is due, or ``None``."""
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def due_at(self, ns: int) -> int:
        """How many events are due at an instant."""
        return sum(event.callback is not None for due_ns, _, event in self._heap if due_ns == ns)

    def next_foreground_ns(self) -> int | None:
        """When the next thing is due that keeps the run alive, or ``None``; looks at all events."""
        alive = (event for _, _, event in self._heap if event.callback is not None and not event.daemon)
        return min((event.stands_for() or event.ns for event in alive), default=None)

    def pending(self) -> list[ScheduledCall]:
        """All events, in no order."""
        return [event for _, _, event in self._heap if event.callback is not None]

    def first(self) -> ScheduledCall:
        """The next event; ``next_ns`` said that there is one."""
        return self._heap[0][2]

    def repeat(self, ns: int) -> None:
        """Let the next event be due later, as if it was entered now."""
        event = self._heap[0][2]
        event.ns = ns
        self._sequence += 1
        heapq.heapreplace(self._heap, (ns, self._sequence, event))

    def move_beats(self, ns: int) -> None:
        """Let all beats be due so much later, in their order."""
        moved = []
        for due_ns, number, event in self._heap:
            if event.callback is not None:
                event.ns = due_ns if event.beat is None else due_ns + ns
                moved.append((event.ns, number, event))
        heapq.heapify(moved)
        self._heap[:] = moved

    def pop(self) -> Callable[[], None]:
        """Take the next event off and return its callback; ``next_ns`` said that there is one."""
        event = heapq.heappop(self._heap)[2]
        callback = event.callback
        assert callback is not None
        event.callback = None
        self.forget(event)
        return callback


def _itself() -> None:
    """An event that is there for its own sake."""
