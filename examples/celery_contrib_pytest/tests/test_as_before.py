"""A test with Celery's own worker, in a thread and in real time."""

from mailer import greet


def test_greet(celery_app, celery_worker):
    assert greet.delay("you").get(timeout=10) == "hello you"
