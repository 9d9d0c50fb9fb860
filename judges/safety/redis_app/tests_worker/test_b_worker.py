"""Existing tests with Celery's own fixtures."""

import mailer
import pytest
from celery.contrib.testing.worker import start_worker


@pytest.fixture(scope="session")
def celery_config():
    return {"broker_url": mailer.BROKER, "result_backend": f"{mailer.REDIS}/14"}


def test_with_a_worker():
    with start_worker(mailer.app, perform_ping_check=False):
        assert mailer.count.delay(1).get(timeout=10) >= 1
        assert mailer.send.delay(1).get(timeout=60) == 1


def test_with_the_fixtures(celery_app, celery_worker):
    @celery_app.task
    def double(number):
        return 2 * number

    celery_worker.reload()
    assert double.delay(2).get(timeout=10) == 4
