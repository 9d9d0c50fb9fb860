"""An app with small tasks, for the tests of what Celery does in a simulation."""

import logging
import sys
import time
from datetime import UTC, datetime

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

#: 2020-01-01T12:00:00Z.
START = "2020-01-01T12:00:00Z"
START_S = 1_577_880_000


def since_start():
    """Virtual seconds since the start, on the grid."""
    return round(time.time() - START_S, 6)


def make_app(name="semantics", **config):
    """A new app; its broker and its backend are Redis servers that nobody can reach."""
    app = Celery(name, broker="redis://nobody.example/0", backend="redis://nobody.example/1", set_as_current=False)
    app.conf.update(config)

    @app.task(name="add", shared=False)
    def add(x, y):
        return x + y

    @app.task(name="total", shared=False)
    def total(numbers):
        return sum(numbers)

    @app.task(name="now", shared=False)
    def now():
        return since_start()

    @app.task(name="nap", shared=False)
    def nap(seconds):
        time.sleep(seconds)
        return since_start()

    @app.task(name="late_nap", shared=False, acks_late=True)
    def late_nap(seconds):
        time.sleep(seconds)
        return since_start()

    @app.task(name="patient", shared=False)
    def patient(seconds):
        try:
            time.sleep(seconds)
        except SoftTimeLimitExceeded:
            return f"soft limit at {since_start():g}"
        return "no limit"

    @app.task(name="fails", shared=False)
    def fails(message="no"):
        raise ValueError(message)

    @app.task(name="exits", shared=False)
    def exits():
        sys.exit(3)

    @app.task(name="asks", shared=False)
    def asks():
        return app.tasks["add"].delay(1, 2).get()

    return app


def starts_of(sim, task_id=None):
    """When bodies began, in seconds since the start."""
    return [
        (event.at_ns - sim.trace.start_ns) / 1e9
        for event in sim.trace
        if event.kind == "task-started" and task_id in (None, event.task_id)
    ]


def sent_at(sim, zone=UTC):
    """When tasks were sent, by the wall clock of a zone."""
    return [
        datetime.fromtimestamp(event.at_ns / 1e9, zone).strftime("%m-%d %H:%M:%S")
        for event in sim.trace
        if event.kind == "task-sent"
    ]


class Heard(logging.Handler):
    """Keeps the messages of the log."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())
