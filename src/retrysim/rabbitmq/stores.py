"""The order in which the messages of a queue leave: classic with or without priorities, and quorum by version."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

from retrysim.rabbitmq.message import Entry
from retrysim.rabbitmq.versions import Version


class Store(Protocol):
    """What is ready in a queue."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Entry]:
        """All of them, next first."""
        ...

    def put(self, entry: Entry) -> None:
        """A new message."""
        ...

    def put_back(self, entry: Entry) -> None:
        """A message that was delivered and not acknowledged."""
        ...

    def pop(self) -> Entry:
        """The next one."""
        ...

    def heads(self) -> Sequence[Entry]:
        """Those that the server looks at to see whether they have expired; it looks at none behind them."""
        ...

    def remove(self, head: Entry) -> None:
        """Take out one of the ``heads``."""
        ...

    def clear(self) -> None:
        """Take out all, as a purge does."""
        ...


class ClassicStore:
    """Higher priorities first, each in the order of publishing; what is put back returns to its place."""

    def __init__(self, max_priority: int) -> None:
        self._max = max_priority
        self._levels: dict[int, deque[Entry]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Entry]:
        for level in self._descending():
            yield from self._levels[level]

    def _descending(self) -> list[int]:
        return sorted((level for level, entries in self._levels.items() if entries), reverse=True)

    def _highest(self) -> deque[Entry]:
        """What is next."""
        return self._levels[self._descending()[0] if self._max else 0]

    def _level(self, entry: Entry) -> deque[Entry]:
        return self._levels.setdefault(min(entry.priority, self._max), deque())

    def put(self, entry: Entry) -> None:
        self._level(entry).append(entry)
        self._size += 1

    def put_back(self, entry: Entry) -> None:
        level = self._level(entry)
        before: list[Entry] = []
        while level and level[0].number < entry.number:
            before.append(level.popleft())
        level.appendleft(entry)
        level.extendleft(reversed(before))
        self._size += 1

    def pop(self) -> Entry:
        self._size -= 1
        return self._highest().popleft()

    def heads(self) -> Sequence[Entry]:
        return [self._highest()[0]] if self._size else []

    def remove(self, _head: Entry) -> None:
        self.pop()

    def clear(self) -> None:
        self._levels.clear()
        self._size = 0


class QuorumStore:
    """What was returned comes first, in the order of its return; then by the priorities that the version knows."""

    def __init__(self, version: Version) -> None:
        self._scheme = version.quorum_priorities
        self._returned: deque[Entry] = deque()
        self._levels: dict[int, deque[Entry]] = {}
        self._size = 0
        #: how many were taken since it last was the turn of normal priority
        self._taken = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Entry]:
        yield from self._returned
        for level in self._descending():
            yield from self._levels[level]

    def level(self, priority: int | None) -> int:
        """The share of a priority: one of all, of two, or of 32."""
        if self._scheme == "none":
            return 0
        if self._scheme == "two":
            return int(priority is not None and priority > _NORMAL)
        return _NORMAL if priority is None else min(priority, _STRICT_MAX)

    def _descending(self) -> list[int]:
        return sorted((level for level, entries in self._levels.items() if entries), reverse=True)

    def put(self, entry: Entry) -> None:
        self._levels.setdefault(entry.priority, deque()).append(entry)
        self._size += 1

    def put_back(self, entry: Entry) -> None:
        self._returned.append(entry)
        self._size += 1

    def pop(self) -> Entry:
        self._size -= 1
        if self._returned:
            return self._returned.popleft()
        level = self._next_level()
        self._taken = 0 if self._taken == _HIGH_SHARE else self._taken + 1
        return self._levels[level].popleft()

    def _next_level(self) -> int:
        """The highest; with two shares every third time the one whose message is the oldest (``rabbit_fifo_q``)."""
        levels = self._descending()
        if self._scheme == "two" and self._taken == _HIGH_SHARE:
            return min(levels, key=lambda level: self._levels[level][0].number)
        return levels[0]

    def heads(self) -> Sequence[Entry]:
        """With strict priorities, the first of each priority and the first that was returned; else the next one."""
        if not self._size:
            return []
        if self._scheme == "strict":
            levels = [self._levels[level][0] for level in self._descending()]
            return [self._returned[0], *levels] if self._returned else levels
        return [self._returned[0] if self._returned else self._levels[self._next_level()][0]]

    def remove(self, head: Entry) -> None:
        if self._scheme != "strict":
            self.pop()
            return
        self._size -= 1
        of_returned = bool(self._returned) and self._returned[0] is head
        (self._returned if of_returned else self._levels[head.priority]).popleft()

    def clear(self) -> None:
        self._returned.clear()
        self._levels.clear()
        self._size = self._taken = 0


#: The priority of a quorum queue's message that names none, and the highest that counts as normal.
_NORMAL = 4
_STRICT_MAX = 31
#: How many are taken before it is the turn of normal priority.
_HIGH_SHARE = 2
