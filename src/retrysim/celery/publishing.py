"""Lets the rules of a run judge each task message that a channel is about to put into a queue, and notes which it is.

Celery's signals know an exchange and a routing key; into which queues that leads, only the broker does.
"""

from __future__ import annotations

import copy
import errno
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from retrysim.celery import said
from retrysim.faults import DELIVER, Delay, Drop, Duplicate, Fail, Rules, TaskMessage, Verdict

if TYPE_CHECKING:
    from retrysim.kernel import Environment


class JudgedChannel:
    """A mix-in for kombu's virtual channels: what is put passes the ``rules``."""

    judgement: Judgement
    environment: Environment
    connection: Any
    _next_delivery_tag: Callable[[], Any]

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        verdict = self.judgement.of(queue, _of_a_task(message))
        put: Callable[..., None] = super()._put  # type: ignore[misc]
        match verdict:
            case Drop():
                return
            case Fail():
                raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            case Delay(by_ns=by_ns):
                if self.judgement.put_later is None:
                    self._put_later(by_ns, lambda: put(queue, message))
                else:
                    self.judgement.put_later(by_ns, self.connection.client.info(), queue, message)
            case Duplicate(copies=copies):
                for _ in range(copies):
                    put(queue, self._again(message), **kwargs)
            case _:
                put(queue, message, **kwargs)

    def put_unjudged(self, queue: str, message: Any) -> None:
        """Put what has passed the rules already."""
        super()._put(queue, message)  # type: ignore[misc]

    def _put_fanout(self, exchange: str, message: Any, routing_key: str | None = None, **kwargs: Any) -> None:
        self.judgement.note(exchange, _of_a_task(message))
        super()._put_fanout(exchange, message, routing_key, **kwargs)  # type: ignore[misc]

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


class Judgement:
    """The fate of each message, and where it was put; one object for all publishers."""

    def __init__(self, rules: Rules, routed: dict[str, list[str]]) -> None:
        self._rules = rules
        self._routed = routed
        #: puts a message into a queue later, in a process of the machine that may be gone by then
        self.put_later: Callable[[int, Mapping[str, Any], str, Any], None] | None = None

    def of(self, queue: str, task: tuple[str, str, int] | None) -> Verdict:
        """The verdict on the message of a task (id, name, retries) that is about to be put into a queue."""
        self.note(queue, task)
        if task is None or not self._rules:
            return DELIVER
        task_id, name, retries = task
        return self._rules.judge(TaskMessage(task_id=task_id, task=name, queue=queue, retries=retries))

    def note(self, queue: str, task: tuple[str, str, int] | None) -> None:
        """Note that it was put into a queue, or given to a fanout exchange."""
        if task is not None:
            self._routed.setdefault(task[0], []).append(queue)


def _of_a_task(message: Any) -> tuple[str, str, int] | None:
    headers = message.get("headers") or {}
    if "id" not in headers:
        return None
    return said.text(headers["id"]), said.text(headers.get("task")), said.count(headers.get("retries"))


def forget(channel: Any) -> None:
    """Let a channel whose process is gone keep what it has unacked: kombu would put it back when it is collected."""
    if channel._qos is not None:
        channel._qos._on_collect.cancel()
