"""Existing tests with Celery's own worker, for an app on RabbitMQ."""

import mailer
from celery.contrib.testing.worker import start_worker


def test_before_any_worker():
    mailer.note.delay(1)


def test_with_a_worker():
    with start_worker(mailer.app, perform_ping_check=False):
        assert mailer.count.delay(1).get(timeout=10) >= 1
        assert mailer.send.delay(1).get(timeout=60) == 1
