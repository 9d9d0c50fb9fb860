"""Apps on RabbitMQ for the tests of this folder."""

from celery import Celery
from kombu import Exchange, Queue

from retrysim.trace import RunEnded, TaskStarted


def make_app(**conf):
    """An app whose tasks wait, retry, and count; settings of Celery by name."""
    app = Celery("shop", broker="amqp://", set_as_current=False)
    app.conf.update(conf)

    @app.task(name="plain", shared=False)
    def plain():
        return 1

    @app.task(name="flaky", bind=True, shared=False, max_retries=3)
    def flaky(self, times=2, countdown=10):
        if self.request.retries < times:
            raise self.retry(countdown=countdown)
        return self.request.retries

    return app


def quorum(name="celery", **arguments):
    """A quorum queue for ``task_queues``."""
    exchange = Exchange(name, type="topic")  # native delayed delivery skips direct exchanges
    return Queue(name, exchange, routing_key=name, queue_arguments={"x-queue-type": "quorum", **arguments})


def started_s(sim):
    """When each attempt began, in seconds from the start."""
    return [(event.at_ns - sim.trace.start_ns) / 1e9 for event in sim.trace.of(TaskStarted)]


def held(sim):
    """Task id → where its message is, for tasks that had not settled when the last run ended."""
    return dict(sim.trace.of(RunEnded)[-1].holding)
