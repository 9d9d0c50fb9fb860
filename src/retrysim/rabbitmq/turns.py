"""Whose turn it is: consumers with credit, by priority, each behind those of its own after it was served."""

from __future__ import annotations

from collections.abc import Iterator

from retrysim.rabbitmq.consumer import Consumer


class Turns:
    """The consumers of a queue.

    One that has no credit waits apart from the others, and comes back behind them when it has some
    (rabbit_queue_consumers of RabbitMQ). A classic queue finds that out when it is the consumer's turn, a quorum queue
    when it was served.

    With a ``single`` active consumer the others wait until it is gone. A classic queue takes the one of the highest
    priority then, a quorum queue the one that waits longest. Since 4.0, a quorum queue goes by priority, too, and one
    of a higher priority ``takes_over``, once the active one has nothing left to acknowledge.
    """

    def __init__(self, *, single: bool, looks_ahead: bool, takes_over: bool = False) -> None:
        self.single = single
        self._looks_ahead = looks_ahead
        self._takes_over = takes_over
        self._sole: Consumer | None = None
        self._all: list[Consumer] = []
        self._active: list[Consumer] = []
        self._blocked: list[Consumer] = []

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Consumer]:
        return iter(self._all)

    @property
    def exclusive(self) -> bool:
        """Whether one of them wants to be the only one."""
        return any(consumer.exclusive for consumer in self._all)

    def add(self, consumer: Consumer) -> None:
        self._all.append(consumer)
        self._insert(consumer)
        self._elect()

    def remove(self, consumer: Consumer) -> None:
        for consumers in (self._all, self._active, self._blocked):
            if consumer in consumers:
                consumers.remove(consumer)
        if consumer is self._sole:
            self._sole = None
            self._elect()

    def next(self) -> Consumer | None:
        """The consumer that may have the next message."""
        if self.single:
            return self._sole if self._elect() and self._sole is not None and self._sole.has_credit else None
        while self._active:
            if self._active[0].has_credit:
                return self._active[0]
            self._blocked.append(self._active.pop(0))
        return None

    def _elect(self) -> bool:
        """Choose the single active consumer; whether it may have more."""
        by_priority = self._takes_over or not self._looks_ahead
        best = max(self._all, key=lambda consumer: consumer.priority if by_priority else 0, default=None)
        active = self._sole
        outdone = self._takes_over and best is not None and active is not None and best.priority > active.priority
        if active is None or (outdone and not active.unacked):
            self._sole = best
            return True
        return not outdone

    def served(self, consumer: Consumer) -> None:
        """It has had its turn."""
        if consumer in self._active:
            self._active.remove(consumer)
            if self._looks_ahead and not consumer.has_credit:
                self._blocked.append(consumer)
            else:
                self._insert(consumer)

    def resume(self) -> None:
        """Some may have credit again."""
        for consumer in [consumer for consumer in self._blocked if consumer.has_credit]:
            self._blocked.remove(consumer)
            self._insert(consumer)

    def _insert(self, consumer: Consumer) -> None:
        if not self._active:
            self._active.append(consumer)
            return
        lower = (i for i, other in enumerate(self._active) if other.priority < consumer.priority)
        self._active.insert(next(lower, len(self._active)), consumer)
