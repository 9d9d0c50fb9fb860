"""A retry that waits in the worker for longer than RabbitMQ waits for an acknowledgement."""

from celery import Celery

app = Celery("consumer_timeout", broker="amqp://localhost//")


@app.task(bind=True)
def trap(self):
    if not self.request.retries:
        raise self.retry(countdown=2400)


@app.task(bind=True, max_retries=None)
def fixed(self, waited=0):
    """In steps below the timeout: no message stays unacknowledged for as long as that."""
    if waited < 2400:
        raise self.retry(countdown=1200, kwargs={"waited": waited + 1200})
