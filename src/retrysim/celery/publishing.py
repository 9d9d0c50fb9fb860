"""Lets the rules of a run judge each task message that a channel is about to put into a queue, and notes which it is.

Celery's signals know an exchange and a routing key; into which queues that leads, only the broker does.
"""

from __future__ import annotations

import copy
import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from retrysim.faults import DELIVER, Delay, Drop, Duplicate, Fail, Message, Rules

if TYPE_CHECKING:
    from retrysim.kernel import Environment


class JudgedChannel:
    """A mix-in for kombu's virtual channels: what is put passes the ``rules``."""

    rules: Rules
    environment: Environment
    #: task id -> the queues that its message was put into, or the fanout exchange; whoever notes the sending takes it
    routed: dict[str, list[str]]
    _next_delivery_tag: Callable[[], Any]

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        headers = message.get("headers") or {}
        self._note(queue, headers)
        verdict = self.rules.judge(_message(queue, headers)) if self.rules and "id" in headers else DELIVER
        put: Callable[..., None] = super()._put  # type: ignore[misc]
        match verdict:
            case Drop():
                return
            case Fail():
                raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            case Delay(by_ns=by_ns):
                self._put_later(by_ns, lambda: put(queue, message))
            case Duplicate(copies=copies):
                for _ in range(copies):
                    put(queue, self._again(message), **kwargs)
            case _:
                put(queue, message, **kwargs)

    def _put_fanout(self, exchange: str, message: Any, routing_key: str | None = None, **kwargs: Any) -> None:
        self._note(exchange, message.get("headers") or {})
        super()._put_fanout(exchange, message, routing_key, **kwargs)  # type: ignore[misc]

    def _note(self, queue: str, headers: Any) -> None:
        if "id" in headers:
            self.routed.setdefault(headers["id"], []).append(queue)

    def _put_later(self, by_ns: int, put: Callable[[], None]) -> None:
        environment = self.environment

        def arrive() -> None:
            environment.spawn(put, name="a delayed message")

        environment.schedule(environment.clock.ns + by_ns, arrive)

    def _again(self, message: Any) -> Any:
        """The message as its publisher would send it again: with a delivery tag of its own."""
        again = copy.deepcopy(message)
        again["properties"]["delivery_tag"] = self._next_delivery_tag()
        return again


def _message(queue: str, headers: Any) -> Message:
    return Message(task_id=headers["id"], task=headers["task"], queue=queue, retries=headers.get("retries") or 0)
