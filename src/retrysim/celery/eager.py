"""Eager: a task runs where it is submitted, and its retry is scheduled on the virtual clock. No worker, no queue.

Celery publishes, and its own ``Request`` executes; only delivery is ours. So what a message does to a task happens
here too (serialisation, headers, the ETA as text, expiry); what a queue and a worker do to it does not (prefetch,
slots, acks). Celery's own ``task_always_eager`` is something else: it runs a retry at once, and recursively.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from functools import partial
from typing import Any

from celery import signals
from celery.exceptions import NotRegistered
from celery.worker import state as worker_state
from celery.worker.request import Request

from retrysim.celery.memory import MemoryBroker
from retrysim.clock import to_ns
from retrysim.kernel import Condition, Environment

#: What the trace and ``task.request.hostname`` call the place where eager tasks run.
HOSTNAME = "eager"


class EagerRunner:
    """Delivers each message of ``app`` as soon as it is published, or when its ETA has come."""

    def __init__(self, app: Any, broker: MemoryBroker, environment: Environment) -> None:
        self._app = app
        self._broker = broker
        self._environment = environment
        self._channel = app.connection_for_read().channel()
        self.scheduled: dict[str, int] = {}  # task id -> how many of its messages wait for their ETA
        self.running: list[str] = []
        self._deliver_after_sending(app.amqp)

    def close(self) -> None:
        """Forget which tasks expired: without a worker of its own a run notes that where the next one looks."""
        worker_state.revoked.clear()

    def _deliver_after_sending(self, amqp: Any) -> None:
        send = amqp.send_task_message

        def send_and_deliver(*args: Any, **kwargs: Any) -> Any:
            sent = send(*args, **kwargs)
            for message in list(self._take()):
                self._deliver(message)
            return sent

        amqp.__dict__["send_task_message"] = send_and_deliver

    def _take(self) -> Iterator[Any]:
        for queue in list(self._broker.channel.queues):
            while (message := self._channel.basic_get(queue, no_ack=True)) is not None:
                if "id" in (message.headers or {}):
                    yield message

    def _deliver(self, message: Any) -> None:
        request = self._request(message)
        if request is None:
            return
        eta_ns = None if request.eta is None else to_ns(request.eta.astimezone(UTC))
        if eta_ns is not None and eta_ns > self._environment.clock.ns:
            self.scheduled[request.id] = self.scheduled.get(request.id, 0) + 1
            self._environment.schedule(eta_ns, partial(self._come_due, request))
            return
        ended = Condition(f"task {request.name}[{request.id}] to end")
        self._start(request, ended)
        self._environment.wait(ended)

    def _request(self, message: Any) -> Any:
        try:
            task = self._app.tasks[message.headers["task"]]
        except NotRegistered as error:
            name, task_id = message.headers["task"], message.headers["id"]
            signals.task_unknown.send(sender=self, message=message, exc=error, name=name, id=task_id)
            return None
        return Request(message, hostname=HOSTNAME, app=self._app, task=task)

    def _come_due(self, request: Any) -> None:
        self.scheduled[request.id] -= 1
        if not self.scheduled[request.id]:
            del self.scheduled[request.id]
        self._start(request, Condition("nobody"))

    def _start(self, request: Any, ended: Condition) -> None:
        """Run an attempt in a process of its own, but on the thread of whoever submits: there is no other."""

        def attempt() -> None:
            self.running.append(request.id)
            try:
                request.execute()
            finally:
                self.running.remove(request.id)
                ended.notify_all()

        thread = self._environment.thread
        self._environment.spawn(attempt, name=f"{request.name}[{request.id}]", thread=thread)
