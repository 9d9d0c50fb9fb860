"""A limit that remembers who called while limited, and blocks them for as long as a penalty says.

While a key is blocked every call is refused, whatever the limit itself would say; it shows nothing remaining and a
reset no earlier than the end of the block. A refused call takes nothing from the limit.
"""

from __future__ import annotations

from collections.abc import Hashable

from retrysim.durations import format_duration
from retrysim.errors import LimitError
from retrysim.ratelimit.limiter import Decision, Limiter, latest
from retrysim.ratelimit.penalty import Offence, Penalty
from retrysim.ratelimit.states import States


class _Record:
    """What one key has done: its refused calls, since when they are counted, and how long it is blocked."""

    __slots__ = ("count", "since_ns", "until_ns")

    def __init__(self, now_ns: int) -> None:
        self.count = 0
        self.since_ns = now_ns
        self.until_ns: int | None = 0


class Penalised:
    """A limiter with a penalty for calls made while limited.

    Refused calls are counted in a row, up to the next that is served; with ``counted_for_ns`` they are counted in
    windows of that length instead, which begin with a refused call. Raises ``LimitError`` if that is not positive.
    """

    __slots__ = ("_counted_for_ns", "_limiter", "_penalty", "_records")

    def __init__(self, limiter: Limiter, penalty: Penalty, *, counted_for_ns: int | None = None) -> None:
        if counted_for_ns is not None and counted_for_ns < 1:
            raise LimitError(
                f"refused calls cannot be counted for {format_duration(counted_for_ns)}: expected more than 0s, "
                "or None to count them in a row"
            )
        self._limiter = limiter
        self._penalty = penalty
        self._counted_for_ns = counted_for_ns
        self._records: States[_Record] = States(self._is_stale)

    def check(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        decision = self._limiter.check(key, now_ns, cost)
        record = self._records.find(key)
        return decision if record is None else _blocked(decision, record.until_ns, now_ns)

    def take(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        record = self._records.find(key)
        if record is not None and _is_blocked(record.until_ns, now_ns):
            return self._punished(key, record, now_ns, self._limiter.check(key, now_ns, cost))
        decision = self._limiter.take(key, now_ns, cost)
        if not decision.allowed:
            return self._punished(key, record, now_ns, decision)
        if record is not None and self._counted_for_ns is None:
            record.count = 0
        return decision

    def charge(self, key: Hashable, now_ns: int, cost: int = 1) -> None:
        self._limiter.charge(key, now_ns, cost)

    def give_back(self, key: Hashable, now_ns: int, amount: int = 1) -> None:
        """Return units to the limit; a block stays."""
        self._limiter.give_back(key, now_ns, amount)

    def _punished(self, key: Hashable, record: _Record | None, now_ns: int, decision: Decision) -> Decision:
        if record is None:
            record = _Record(now_ns)
            self._records.put(key, record, now_ns)
        if self._counted_for_ns is not None and now_ns >= record.since_ns + self._counted_for_ns:
            record.count, record.since_ns = 0, now_ns
        record.count += 1
        until_ns = self._penalty.blocked_until(Offence(at_ns=now_ns, count=record.count))
        record.until_ns = latest((record.until_ns, until_ns))
        return _blocked(decision, record.until_ns, now_ns)

    def _is_stale(self, record: _Record, now_ns: int) -> bool:
        if _is_blocked(record.until_ns, now_ns):
            return False
        if self._counted_for_ns is None:
            return not record.count
        return now_ns >= record.since_ns + self._counted_for_ns


def _is_blocked(until_ns: int | None, now_ns: int) -> bool:
    return until_ns is None or now_ns < until_ns


def _blocked(decision: Decision, until_ns: int | None, now_ns: int) -> Decision:
    """A decision under a block; unchanged where there is none."""
    if not _is_blocked(until_ns, now_ns):
        return decision
    return Decision(
        allowed=False,
        limit=decision.limit,
        remaining=0,
        reset_ns=decision.reset_ns if until_ns is None else max(decision.reset_ns, until_ns),
        retry_at_ns=latest((decision.retry_at_ns, until_ns)),
    )
