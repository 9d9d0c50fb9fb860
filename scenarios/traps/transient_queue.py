"""A retry into a queue that does not survive a restart, on a RabbitMQ that refuses such queues."""

from celery import Celery
from kombu import Queue

app = Celery("transient_queue", broker="amqp://localhost//")
app.conf.task_queues = [Queue("celery"), Queue("slow", durable=False), Queue("slow_durable")]


@app.task(bind=True)
def trap(self):
    if not self.request.retries:
        raise self.retry(countdown=60, queue="slow")


@app.task(bind=True)
def fixed(self):
    if not self.request.retries:
        raise self.retry(countdown=60, queue="slow_durable")
