"""Stands in for kombu's ``Timer`` under a worker's hub: its entries end the hub's wait.

A periodic entry that would change nothing does not: what its call would leave is left without a round of the hub.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Any

from retrysim.celery.timer import Entry, GridSchedule, Leave, at_least_a_step
from retrysim.clock import GRID_NS, grid_ns
from retrysim.durations import SECOND
from retrysim.kernel import Environment, Regular
from retrysim.patches import monotonic_ns

#: So many entries kombu's hub fires in one round, and polls for so many seconds at most, or if it has no entry.
_IN_A_ROUND, _POLL_S, _POLL_WITHOUT_ENTRY_S = 10, 10.0, 1.0


class HubTimer(GridSchedule):
    """kombu's timer, on the grid."""

    def __init__(self, environment: Environment, **options: Any) -> None:
        self.environment = environment
        super().__init__(**options)
        #: told when an entry was made, by whoever sleeps until the next one is due
        self.on_enter: Callable[[], None] = _nothing

    def _enter(self, eta: float, priority: int, entry: Any, push: Any = heapq.heappush) -> Any:
        entry = super()._enter(eta, priority, entry, push)
        self.on_enter()
        return entry

    def until_next_poll_ns(self) -> int:
        """How long a hub polls that has fired what is due."""
        poll_ns = grid_ns(min(self.max_interval, _POLL_S) if self._queue else _POLL_WITHOUT_ENTRY_S)
        due_ns = self.until_next_ns()
        return poll_ns if due_ns is None else min(poll_ns, due_ns)

    # -- while nothing happens -----------------------------------------------------------------------------------------

    def leaves(self) -> list[Leave] | None:
        """What the entries that are due would leave and nobody would notice; ``None`` if one of them does more."""
        now_s = self._now_s
        due = self._due(now_s)
        found = [leave for leave in (_leaves(one.entry, now_s) for one in due) if leave is not None]
        return found if len(found) == len(due) < _IN_A_ROUND else None

    def _due(self, now_s: float) -> list[Any]:
        queue, due, places = self._queue, [], [0]
        for place in places:  # each entry of a heap is due before the two behind it
            if place < len(queue) and queue[place].eta <= now_s:
                due.append(queue[place])
                places += (2 * place + 1, 2 * place + 2)
        return sorted(due)

    def pass_by(self) -> bool:
        """Let the entries that are due pass, if all of them would change nothing."""
        leaves = self.leaves()
        for leave in leaves or ():
            entry = heapq.heappop(self._queue).entry
            if leave():
                self.enter_again(entry)
        return leaves is not None

    def enter_again(self, entry: Entry) -> None:
        """As a periodic entry that has been called now is entered."""
        now_s = self._now_s
        entry._last_run = now_s
        super()._enter(now_s + at_least_a_step(entry.interval_s), 0, entry)

    def regular(self) -> Regular | None:
        """How the hub's rounds go on if nothing else happens."""
        periods, ends = [], []
        for eta, _, entry in self._queue:
            regular = self.regular_of(entry)
            if regular is None:
                ends.append(self._instant_ns(eta))
            else:
                periods.append(regular.period_ns)
                ends.extend(() if regular.until_ns is None else [regular.until_ns])
        period_ns = math.lcm(*periods) if periods else self.until_next_poll_ns()
        return Regular(period_ns=period_ns, until_ns=min(ends, default=None))

    def regular_of(self, entry: Entry) -> Regular | None:
        """How the calls of one entry go on."""
        if entry.idle is None or entry.canceled:
            return None
        return entry.idle.regular(grid_ns(entry.interval_s))

    def move(self, ns: int) -> None:
        """Leave what whole periods of such rounds would leave."""
        for number, (eta, priority, entry) in enumerate(self._queue):
            if entry.idle is not None and not entry.canceled:
                due_ns = round(eta * 1e6) * GRID_NS
                entry.due_s = (due_ns + ns) / SECOND
                self._queue[number] = type(self._queue[number])(entry.due_s, priority, entry)
                self.move_entry(entry, due_ns, ns)
        heapq.heapify(self._queue)

    def move_entry(self, entry: Entry, due_ns: int, ns: int) -> None:
        """The same of one entry, whose next call would have been due at that reading of the clock."""
        assert entry.idle is not None
        interval_ns = grid_ns(entry.interval_s)
        entry._last_run = (due_ns + ns - interval_ns) / SECOND
        entry.idle.move(range(due_ns // GRID_NS, (due_ns + ns) // GRID_NS, interval_ns // GRID_NS))

    @property
    def _now_s(self) -> float:
        return monotonic_ns(self.environment.clock) / SECOND

    def _instant_ns(self, eta: float) -> int:
        clock = self.environment.clock
        return round(eta * 1e6) * GRID_NS - monotonic_ns(clock) + clock.ns


def _leaves(entry: Entry, now_s: float) -> Leave | None:
    if entry.idle is None or entry.canceled:
        return None
    last_s = entry._last_run
    return entry.idle.leaves() if last_s is None or now_s - last_s >= entry.interval_s else None


def _nothing() -> None:
    """Nobody waits for the timer yet."""
