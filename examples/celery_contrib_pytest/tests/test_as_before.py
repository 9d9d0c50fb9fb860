"""Tests with Celery's own worker: in real time, or, with `pytest --retrysim-worker`, in virtual time."""

import time

import mailer
import pytest


def test_greet(celery_app, celery_worker):
    assert mailer.greet.delay("you").get(timeout=10) == "hello you"


def test_an_hour_later(celery_app, celery_worker, full_for_an_hour, pytestconfig):
    if not pytestconfig.getoption("--retrysim-worker"):
        pytest.skip("it waits for an hour: run it with --retrysim-worker")
    began = time.monotonic()

    assert mailer.send.delay("somebody@example.com").get(timeout=4000) == "sent"
    assert 3600 <= time.monotonic() - began < 3603  # the memory transport looks for messages once a second
