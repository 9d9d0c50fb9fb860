"""A task that hands its headers on with its retries, in a quorum queue."""

from celery import Celery
from kombu import Exchange, Queue

app = Celery("x_death", broker="amqp://localhost//")
app.conf.task_queues = [
    Queue("celery", Exchange("tasks", type="topic"), routing_key="celery", queue_arguments={"x-queue-type": "quorum"})
]


@app.task(bind=True)
def trap(self):
    if self.request.retries < 2:
        raise self.retry(countdown=60, headers=self.request.headers)


@app.task(bind=True)
def fixed(self):
    """Hands on what is the project's own."""
    if self.request.retries < 2:
        raise self.retry(countdown=60, headers={"tenant": self.request.get("tenant")})
