"""Idle workers on the memory transport: who has nothing to do does not wake, and nothing shows it."""

import random
import time

import pytest
from celery import VERSION as CELERY
from celery import Celery

from retrysim import Simulation
from retrysim.kernel.process import Wait
from retrysim.trace.ndjson import dump_ndjson


def make_app():
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf.task_routes = {"other": {"queue": "other"}}

    @app.task(name="add", shared=False)
    def add(x, y):
        return x + y

    @app.task(name="other", shared=False)
    def other():
        return random.random()

    @app.task(name="nap", shared=False)
    def nap(seconds):
        time.sleep(seconds)

    @app.task(name="late_nap", shared=False, acks_late=True)
    def late_nap(seconds):
        time.sleep(seconds)

    @app.task(name="lucky", shared=False, bind=True)
    def lucky(self, countdown):
        if not self.request.retries:
            other.delay()
            raise self.retry(countdown=countdown)

    @app.task(name="limited", shared=False, rate_limit="6/m")
    def limited():
        return None

    return app


@pytest.fixture(scope="module")
def app():
    return make_app()


def wake_everybody(monkeypatch):
    monkeypatch.setattr(Wait, "goes_on", lambda _wait: False)


@pytest.mark.skipif(CELERY < (5, 5), reason="with Celery 5.4 the others wake once, too, and find nothing")
def test_a_message_wakes_who_takes_it(app):
    with Simulation(broker="memory") as sim:
        workers = [sim.start_worker(app) for _ in range(16)]
        app.tasks["add"].delay(1, 2)
        sim.run()
        before = [worker.host.activity for worker in workers]
        app.tasks["add"].delay(1, 2)
        sim.run()
        woken = [worker for worker, then in zip(workers, before, strict=True) if worker.host.activity > then]

    assert len(woken) == 1


def test_a_suggestion_that_became_more_wakes(app):
    with Simulation(broker="memory") as sim:
        worker = sim.start_worker(app)
        before = worker.host.activity
        sim._crew.broker.changed.suggest_all()
        sim._crew.broker.changed.notify_all()  # whoever is woken already looks at what this is about, too
        sim.run()
        after = worker.host.activity

    assert after > before


def play(seed):
    choice, app = random.Random(seed), make_app()  # whose tasks keep a rate limit that they were told
    with Simulation(broker="memory", seed=seed) as sim:
        for _ in range(choice.randint(2, 6)):
            sim.start_worker(
                app,
                concurrency=choice.randint(1, 2),
                prefetch_multiplier=choice.choice([1, 4]),
                queues=choice.choice([["celery"], ["other"], ["celery", "other"]]),
                pool=choice.choice(["prefork", "prefork", "solo", "threads"]),
            )
        for _ in range(choice.randint(4, 20)):
            for _ in range(choice.choice([1, 1, 3])):
                something_happens(choice, app, sim)
            sim.run_for(choice.choice([0, 0.1, 1, 1.5, 7, 60]))
        sim.run()
        return dump_ndjson(sim.trace)


def something_happens(choice, app, sim):
    tasks = app.tasks
    worker = choice.choice([worker for worker in sim.workers if not worker.stopped])
    happens = choice.choice(
        [
            lambda: tasks["add"].delay(1, 2),
            lambda: tasks["other"].delay(),
            lambda: tasks["lucky"].delay(choice.choice([0.5, 7, 60])),
            lambda: [tasks["add"].apply_async((1, 1), countdown=6) for _ in range(3)],
            lambda: tasks["nap"].apply_async((choice.choice([1, 5]),), countdown=choice.choice([0, 5])),
            lambda: [tasks["late_nap"].delay(3) for _ in range(6)],
            lambda: [tasks["limited"].delay() for _ in range(3)],
            lambda: app.control.revoke(tasks["nap"].delay(3).id),
            lambda: app.control.rate_limit("limited", choice.choice(["1/s", "12/m"])),
            lambda: app.control.cancel_consumer("other", destination=[f"celery@{worker.name}"]),
            lambda: app.control.add_consumer("other", destination=[f"celery@{worker.name}"]),
            lambda: app.control.pool_grow(1, destination=[f"celery@{worker.name}"]),
            lambda: (sim.start_worker(app), worker.kill()),
            lambda: (sim.start_worker(app), worker.stop()),
        ]
    )
    happens()


@pytest.mark.parametrize("seed", range(8))
def test_who_has_nothing_to_do_goes_on_waiting_as_if_it_had_looked(monkeypatch, seed):
    left_waiting = play(seed)
    wake_everybody(monkeypatch)

    assert play(seed) == left_waiting
