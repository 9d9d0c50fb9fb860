"""An app with quorum queues on RabbitMQ: tasks whose message RabbitMQ delivers again, and their fixed twins."""

from functools import partial

from celery import Celery
from kombu import Exchange, Queue

app = Celery("on_quorum_queues", broker="amqp://nowhere.invalid//", set_as_current=False)
task = partial(app.task, shared=False)


def never():
    raise AssertionError("a body ran")


def queue(name, **arguments):
    return Queue(name, Exchange(name, "topic"), name, queue_arguments={"x-queue-type": "quorum", **arguments})


app.conf.task_queues = [
    queue("celery"),
    queue("buried", **{"x-dead-letter-exchange": "graves"}),
    queue("counted", **{"x-delivery-limit": 5}),
]


@task(autoretry_for=(OSError,), max_retries=2, default_retry_delay=2400)
def waits(order_id):
    """Celery lets such a retry wait in the broker, in queues of its own."""
    never()


@task(acks_late=True, time_limit=3600)
def works(order_id):
    never()


@task(acks_late=True, reject_on_worker_lost=True)
def crashes(order_id):
    never()


@task(acks_late=True, reject_on_worker_lost=True, queue="counted")
def crashes_five_times(order_id):
    never()


@task(acks_late=True, reject_on_worker_lost=True, queue="buried")
def crashes_into_a_dead_letter_queue(order_id):
    never()


@task(bind=True, acks_late=True, reject_on_worker_lost=True)
def crashes_once(self, order_id):
    if self.request.delivery_info["redelivered"]:
        raise RuntimeError("its pool process has died before")
    never()


@task(acks_late=True)
def fails_when_its_process_dies(order_id):
    never()
