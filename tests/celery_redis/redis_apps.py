"""Apps for the tests of the Redis room: as a project would write them, their URLs lead to nobody."""

import time

from celery import Celery

START = "2015-08-03T12:00:00Z"
START_NS = 1_438_603_200 * 10**9

BROKER = "redis://:secret@nobody.example:6379/3"
BACKEND = "redis://:secret@nobody.example:6379/4"


def make_app(name="shop", *, backend=BACKEND, **settings):
    """An app with one task of each kind that the tests need."""
    app = Celery(name, broker=BROKER, backend=backend, set_as_current=False)
    app.conf.update(settings)

    @app.task(name="add", shared=False)
    def add(x, y):
        return x + y

    @app.task(name="nap", shared=False)
    def nap(seconds):
        time.sleep(seconds)
        return seconds

    @app.task(name="late_nap", shared=False, acks_late=True)
    def late_nap(seconds):
        time.sleep(seconds)

    @app.task(name="lucky", shared=False, bind=True)
    def lucky(self, countdown):
        if not self.request.retries:
            raise self.retry(countdown=countdown)
        return "at last"

    @app.task(name="limited", shared=False, rate_limit="6/m")
    def limited():
        return None

    @app.task(name="fails", shared=False)
    def fails(*_):
        raise ValueError("no")

    @app.task(name="total", shared=False)
    def total(numbers):
        return sum(numbers)

    return app


def seconds_of(sim, kind):
    """When events of a kind (``task-received``) happened, in seconds since the start."""
    return [(event.at_ns - START_NS) / 10**9 for event in sim.trace if event.kind == kind]
