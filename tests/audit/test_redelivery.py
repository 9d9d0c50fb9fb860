"""The audit of an app on RabbitMQ plays what makes RabbitMQ deliver a message again."""

import pytest
from tests.audit import on_quorum_queues, on_rabbitmq

from retrysim.audit import audit
from retrysim.audit.threshold import parse_threshold

KINDS = {"consumer-timeout", "delivery-limit", "not-played"}
WAITS = (
    "a delay of 40m passes the consumer_timeout of RabbitMQ 3.13 and 4.0: the worker that holds it ends after 31m, and "
    "the retry starts only if it is restarted once; raise consumer_timeout above 40m, or retry in shorter steps"
)
WAITS_A_DAY = (
    "a delay of 1d passes the consumer_timeout of RabbitMQ 3.13 and 4.0: the worker that holds it ends after 31m, and so "
    "does each worker after it, and the retry has not started after 6 of them; raise consumer_timeout above 1d, or retry "
    "in shorter steps"
)
WORKS = (
    "with acks_late, a body that takes 59m59s, as its time limit allows, passes the consumer_timeout of RabbitMQ 3.13 and "
    "4.0: the message goes back to queue 'celery', the worker ends when the body does, and the body runs again after each "
    "restart, first after 59m59s; set a time limit below consumer_timeout, raise it, or ack early"
)
WORKS_ON_4_3 = (
    "with acks_late, a body that takes 59m59s, as its time limit allows, passes the consumer_timeout of RabbitMQ 4.3: the "
    "message goes back to queue 'celery' while the body runs, and the body runs again each time, first after 59m59s; set "
    "a time limit below consumer_timeout, raise it, or ack early"
)
CRASHES = (
    "with reject_on_worker_lost, a task whose pool process dies each time is lost on RabbitMQ 4.0 and 4.3: the quorum "
    "queue 'celery' drops its message after 21 attempts, and no state or log of Celery says so; give the queue an "
    "x-dead-letter-exchange, or fail if self.request.delivery_info['redelivered']"
)
CRASHES_FIVE_TIMES = (
    "with reject_on_worker_lost, a task whose pool process dies each time is lost on RabbitMQ 3.13, 4.0 and 4.3: the "
    "quorum queue 'counted' drops its message after 6 attempts, and no state or log of Celery says so; give the queue an "
    "x-dead-letter-exchange, or fail if self.request.delivery_info['redelivered']"
)
ARGUMENT_REFUSED = (
    "could not be played on RabbitMQ 4.3: Queue.declare: (406) PRECONDITION_FAILED - invalid arg 'x-consumer-timeout' for "
    "queue 'patient' in vhost '/' of queue type rabbit_classic_queue"
)


def said(module, names=None, **options):
    """What the audit says of each task of an app about messages that come again, by the last word of its name."""
    own = [name for name in module.app.tasks if name.startswith(module.__name__ + ".")]
    wanted = own if names is None else [f"{module.__name__}.{name}" for name in names]
    report = audit(f"{module.__name__}:app", tasks=wanted, jobs=1, **options)
    return {
        task.name.rpartition(".")[2]: [finding.text for finding in task.all_findings if finding.kind in KINDS]
        for task in report.tasks
    }


def test_what_stays_unacked_for_longer_than_rabbitmq_waits_is_found_and_its_fixed_twins_are_not():
    assert said(on_rabbitmq) == {
        "waits": [WAITS],
        "waits_a_day": [WAITS_A_DAY],
        "waits_in_steps": [],
        "works": [WORKS],
        "works_shorter": [],
        "works_acked_early": [],
        "works_without_a_limit": [],
        "routed": [ARGUMENT_REFUSED],  # to a queue that waits for longer
        "crashes_in_a_classic_queue": [],
    }


def test_what_a_quorum_queue_drops_is_found_and_its_fixed_twins_are_not():
    assert said(on_quorum_queues) == {
        "waits": [],
        "works": [WORKS, WORKS_ON_4_3],
        "crashes": [CRASHES],
        "crashes_five_times": [CRASHES_FIVE_TIMES],
        "crashes_into_a_dead_letter_queue": [],
        "crashes_once": [],
        "fails_when_its_process_dies": [],
    }


@pytest.mark.parametrize(
    ("broker", "sentences"),
    [
        ("rabbitmq:4.0", [WAITS.replace("3.13 and 4.0", "4.0")]),
        ("rabbitmq:4.3", []),
        ("rabbitmq:3.13?consumer_timeout=2h", []),
        ("rabbitmq", [WAITS]),
        ("memory", [WAITS]),
    ],
)
def test_the_project_says_which_rabbitmq_it_runs_on(broker, sentences):
    assert said(on_rabbitmq, ["waits"], broker=broker) == {"waits": sentences}


def test_a_task_that_is_never_retried_crosses_a_threshold_about_its_message():
    report = audit("tests.audit.on_quorum_queues:app", tasks=["on_quorum_queues.crashes"], jobs=1)

    [line] = parse_threshold("delivery-limit").crossed_by(report)

    assert line == f"--fail-if 'delivery-limit': tests.audit.on_quorum_queues.crashes: {CRASHES}"


def test_the_app_is_put_back():
    before = dict(on_rabbitmq.app.conf.items()), on_rabbitmq.app.amqp, vars(on_rabbitmq.works).copy()

    said(on_rabbitmq, ["works"])

    assert (dict(on_rabbitmq.app.conf.items()), on_rabbitmq.app.amqp, vars(on_rabbitmq.works)) == before
