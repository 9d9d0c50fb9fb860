"""A retry that is published where no queue is bound."""

from celery import Celery

app = Celery("unbound_retry", broker="amqp://localhost//")


@app.task(bind=True)
def trap(self):
    if not self.request.retries:
        raise self.retry(countdown=60, exchange="amq.direct", routing_key="celery.slow")


@app.task(bind=True)
def fixed(self):
    """To a queue by its name, which Celery declares and binds before it publishes."""
    if not self.request.retries:
        raise self.retry(countdown=60, queue="celery")
