"""A function is a task: what runs it is a real worker of two pool processes in virtual time."""

from itertools import count

import pytest
from celery import Celery

from retrysim import Simulation

NUMBERS = count()


@pytest.fixture
def app():
    return Celery(
        f"waiting{next(NUMBERS)}",
        broker="redis://nobody.example/0",
        backend="redis://nobody.example/1",
        set_as_current=False,
    )


@pytest.fixture
def sim():
    with Simulation(start="2020-01-01T12:00:00Z") as simulation:
        yield simulation


@pytest.fixture
def submit(sim, app):
    """``submit(function, *args)``: run the function as a task and return its result object."""
    worker = []

    def submit(function, *args, **options):
        name = function.__name__
        task = app.tasks.get(name) or app.task(function, name=name, shared=False, **options)
        if not worker:
            worker.append(sim.start_worker(app, concurrency=2))
        return task.delay(*args)

    return submit
