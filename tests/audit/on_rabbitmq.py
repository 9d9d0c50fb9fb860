"""An app on RabbitMQ, which nobody reaches: tasks whose message RabbitMQ delivers again, and their fixed twins."""

from functools import partial

from celery import Celery
from kombu import Exchange, Queue

app = Celery("on_rabbitmq", broker="amqp://nowhere.invalid//", set_as_current=False)
task = partial(app.task, shared=False)


def never():
    raise AssertionError("a body ran")


def route(name, args, kwargs, options, task=None, **_):
    raise AssertionError("a router ran")


def queue(name, **arguments):
    return Queue(name, Exchange(name, "topic"), name, queue_arguments=arguments)


app.conf.task_queues = [queue("celery"), queue("patient", **{"x-consumer-timeout": 2 * 3600 * 1000})]
app.conf.task_routes = ({"*.routed": {"queue": "patient"}}, route)


@task(autoretry_for=(OSError,), max_retries=2, default_retry_delay=2400)
def waits(order_id):
    never()


@task(autoretry_for=(OSError,), max_retries=2, default_retry_delay=24 * 3600)
def waits_a_day(order_id):
    never()


@task(autoretry_for=(OSError,), max_retries=4, default_retry_delay=1200)
def waits_in_steps(order_id):
    never()


@task(acks_late=True, time_limit=3600)
def works(order_id):
    never()


@task(acks_late=True, time_limit=1500)
def works_shorter(order_id):
    never()


@task(time_limit=3600)
def works_acked_early(order_id):
    never()


@task(acks_late=True)
def works_without_a_limit(order_id):
    never()


@task(acks_late=True, soft_time_limit=2700, time_limit=3600)
def routed(order_id):
    never()


@task(acks_late=True, reject_on_worker_lost=True)
def crashes_in_a_classic_queue(order_id):
    never()
