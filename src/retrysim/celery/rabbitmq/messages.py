"""The messages of tasks on a simulated RabbitMQ: what the rules of a run do to them, and where they are."""

from __future__ import annotations

from functools import partial
from typing import Any

from retrysim.celery import said
from retrysim.celery.rabbitmq.node import Node
from retrysim.faults import DELIVER, Delay, Drop, Duplicate, Fail, Rules
from retrysim.faults import TaskMessage as TaskMessage
from retrysim.kernel import Environment
from retrysim.rabbitmq.connection import Connection
from retrysim.rabbitmq.message import Message
from retrysim.rabbitmq.queues import Queue
from retrysim.rabbitmq.server import Dropped

#: How kombu names the queues of native delayed delivery.
_DELAYED = "celery_delayed_"
#: What a client did itself is no loss that RabbitMQ has to answer for.
_DONE_BY_CLIENTS = ("purged", "the queue was deleted: its connection is gone")
_WHY = {
    "expired": "it expired in queue {queue!r}",
    "rejected": "a worker rejected it from queue {queue!r}",
    "maxlen": "queue {queue!r} had reached its maximum length",
    "delivery_limit": "queue {queue!r} had returned it as often as its delivery limit allows",
    "unroutable": "no queue is bound to exchange {exchange!r} with routing key {key!r}",
    "purged": "queue {queue!r} was purged",
}


class Messages:
    """Judges what is published, as ``JudgedChannel`` does for kombu's virtual transports, and knows what was lost."""

    def __init__(self, node: Node, environment: Environment, rules: Rules) -> None:
        self._node = node
        self._environment = environment
        self._rules = rules
        #: task id -> the queues that its message was put into, until the sending is noted
        self.routed: dict[str, list[str]] = {}
        self._lost: dict[str, str] = {}
        node.server.put = self._put
        node.server.on_dropped = self._note_loss

    def _put(self, queue: Queue, message: Message, publisher: Connection) -> bool:
        task_id = task_id_of(message)
        if task_id is None:
            return queue.publish(message)
        self._lost.pop(task_id, None)
        self.routed.setdefault(task_id, []).append(queue.name)
        verdict = self._rules.judge(_judged(queue, message)) if self._rules else DELIVER
        match verdict:
            case Drop():
                return True
            case Fail():
                self._node.fail(publisher)
                return False
            case Delay(by_ns=by_ns):
                due_ns = self._environment.clock.ns + by_ns
                self._node.server.call_at(due_ns, partial(self._arrive, queue, message), background=False)
                return True
            case Duplicate(copies=copies):
                return sum(queue.publish(message) for _ in range(copies)) == copies
            case _:
                return queue.publish(message)

    def _arrive(self, queue: Queue, message: Message) -> None:
        if not queue.deleted:
            queue.publish(message)

    # -- where they are ------------------------------------------------------------------------------------------------

    def waiting(self) -> dict[str, list[str]]:
        """Queue → the ids of the tasks whose messages are ready in it, next first; not those of delayed delivery."""
        queues = (queue for queue in self._node.server.queues() if not queue.name.startswith(_DELAYED))
        found = {queue.name: [i for e in queue.ready if (i := task_id_of(e.message))] for queue in queues}
        return {name: task_ids for name, task_ids in found.items() if task_ids}

    def lost(self) -> dict[str, str]:
        """Task id → what happened to its message, where no worker will get it, or not yet."""
        delayed = {
            task_id: f"it waits in {queue.name!r} for its countdown"
            for queue in self._node.server.queues()
            if queue.name.startswith(_DELAYED)
            for entry in queue.ready
            if (task_id := task_id_of(entry.message))
        }
        return {**self._lost, **delayed}

    def _note_loss(self, dropped: Dropped) -> None:
        task_id = task_id_of(dropped.message)
        if task_id is not None and dropped.reason not in _DONE_BY_CLIENTS:
            message = dropped.message
            reason, _, more = dropped.reason.partition("; ")
            phrase = _WHY.get(reason, reason).format(
                queue=dropped.queue, exchange=message.exchange, key=message.routing_key
            )
            self._lost[task_id] = f"RabbitMQ dropped its message: {phrase}" + (f" ({more})" if more else "")


def task_id_of(message: Message) -> str | None:
    """The id of the task that a message is for; Celery has it in the property ``correlation_id``, too."""
    properties = message.properties
    return properties.text("correlation_id") if properties.has_header(b"task") else None


def _judged(queue: Queue, message: Message) -> TaskMessage:
    headers: dict[str, Any] = message.properties.headers
    task_id, task, retries = (
        said.text(headers["id"]),
        said.text(headers.get("task")),
        said.count(headers.get("retries")),
    )
    return TaskMessage(task_id=task_id, task=task, queue=queue.name, retries=retries)
