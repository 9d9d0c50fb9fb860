"""A task whose pool process dies each time, in a quorum queue."""

import os
import signal

from celery import Celery
from kombu import Exchange, Queue

app = Celery("delivery_limit", broker="amqp://localhost//")
app.conf.task_queues = [
    Queue("celery", Exchange("celery", type="topic"), routing_key="celery", queue_arguments={"x-queue-type": "quorum"})
]


@app.task(acks_late=True, reject_on_worker_lost=True)
def trap():
    os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory is short


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def fixed(self):
    """Fails, where everybody can see it, when it has been delivered before."""
    if self.request.delivery_info["redelivered"]:
        raise RuntimeError("its pool process has died before")
    os.kill(os.getpid(), signal.SIGKILL)
