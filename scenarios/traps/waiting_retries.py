"""Retries that wait in the worker, and the prefetch window that they fill."""

import os

from celery import Celery
from kombu import Exchange, Queue

app = Celery("waiting_retries", broker="amqp://localhost//")
kind = "classic" if os.environ.get("TRAP") else "quorum"
# A topic exchange: native delayed delivery, which holds a retry back in RabbitMQ, skips direct ones.
tasks = Exchange("tasks", type="topic")
app.conf.task_queues = [Queue("celery", tasks, routing_key="celery", queue_arguments={"x-queue-type": kind})]


@app.task(bind=True)
def trap(self):
    if not self.request.retries:
        raise self.retry(countdown=600)


@app.task(bind=True)
def fixed(self):
    """The same, in an app whose queue is a quorum queue."""
    if not self.request.retries:
        raise self.retry(countdown=600)
