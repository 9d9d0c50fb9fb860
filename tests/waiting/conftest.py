"""A function is a task: what runs it is a real worker of two pool processes in virtual time."""

import time
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
    """``submit(function, *args)``: call the function in a task and return the task's result object."""
    functions = []

    @app.task(name="call", shared=False)
    def call(number, args):
        return functions[number](*args)

    def submit(function, *args):
        if not functions:
            sim.start_worker(app, concurrency=2)
        functions.append(function)
        return call.delay(len(functions) - 1, args)

    return submit


@pytest.fixture
def spans_inside(sim, submit):
    """``spans_inside(find, tasks=2)``: from when to when, in seconds, each of the tasks was inside of what it found."""

    def play(find, *, tasks):
        spans = []

        def holds():
            with find():
                begun = time.time()
                time.sleep(10)
                spans.append((begun, time.time()))

        start = sim.now.timestamp()
        for _ in range(tasks):
            submit(holds)
        sim.run()
        return [(begun - start, ended - start) for begun, ended in spans]

    return play
