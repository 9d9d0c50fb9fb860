"""What breaks inside retrysim is one message, wherever it breaks: that it is our bug, the versions, and the trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import Celery

from retrysim import InputError, InternalError, Simulation, versions
from retrysim.fakes import API
from retrysim.trace import load_ndjson


@pytest.fixture
def app():
    app = Celery("proj", broker="memory://", backend="cache+memory://")

    @app.task(name="add", shared=False)
    def add(a, b):
        return a + b

    return app


def assert_is_explained(error, what):
    first, with_, trace = str(error).splitlines()
    assert first.startswith(f"this is a bug in retrysim, not in your code: {what}")
    assert with_ == f"with {versions.summary()}"
    path = Path(trace.removeprefix("what had happened until then is in ").partition(";")[0])
    try:
        load_ndjson(path.read_text(encoding="utf-8"))
    finally:
        path.unlink()


VERBS = {
    "start_worker": lambda sim, app: sim.start_worker(app),
    "start_beat": lambda sim, app: sim.start_beat(app),
    "start_program": lambda sim, app: sim.start_program(print),
    "run_eagerly": lambda sim, app: sim.run_eagerly(app),
    "run_always_eagerly": lambda sim, app: sim.run_always_eagerly(app),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_breaks_is_a_bug_of_retrysim(app, monkeypatch, verb):
    with Simulation() as sim:
        monkeypatch.setattr(sim, "_crew", None)
        with pytest.raises(InternalError) as raised:
            VERBS[verb](sim, app)
        monkeypatch.undo()

    assert_is_explained(raised.value, f"AttributeError: 'NoneType' object has no attribute '{verb}' (simulation.py:")


def test_serving_that_breaks_is_a_bug_of_retrysim(monkeypatch):
    with Simulation() as sim:
        monkeypatch.setattr(sim, "_fakes", None)
        with pytest.raises(InternalError) as raised:
            sim.serve(API("https://crm.example"))
        monkeypatch.undo()

    assert_is_explained(raised.value, "AttributeError: 'NoneType' object has no attribute 'serve' (simulation.py:")


def test_setting_up_that_breaks_is_a_bug_of_retrysim_and_leaves_nothing_patched():
    import time

    real = time.time
    sim = Simulation()
    sim._streams = None

    with pytest.raises(InternalError) as raised, sim:
        pass

    assert_is_explained(raised.value, "TypeError: 'NoneType' object is not subscriptable")
    assert time.time is real


def test_tearing_down_that_breaks_is_a_bug_of_retrysim(monkeypatch):
    sim = Simulation()
    with pytest.raises(InternalError) as raised, sim:
        monkeypatch.setattr(sim._crew, "end", None)

    assert_is_explained(raised.value, "TypeError: 'NoneType' object is not callable (simulation.py:")


@pytest.mark.parametrize("wait", [lambda result, sim: result.get(), lambda result, sim: sim.run()])
def test_a_wait_in_which_something_breaks_is_a_bug_of_retrysim(app, wait):
    with Simulation() as sim:
        sim.start_worker(app)
        result = app.tasks["add"].delay(1, 2)
        sim._recorder.attempts = None
        with pytest.raises(InternalError) as raised:
            wait(result, sim)
        sim.leave_workers()

    assert_is_explained(raised.value, "AttributeError: 'NoneType' object has no attribute")


def test_what_the_user_passes_wrongly_is_no_bug_of_retrysim(app):
    with Simulation() as sim:
        for call in (sim.start_worker, lambda: sim.start_worker(app, 1, 2), lambda: sim.serve()):
            with pytest.raises(TypeError, match="argument"):
                call()
        for call in (lambda: sim.serve(None), lambda: sim.start_worker(None), lambda: sim.start_program(None)):
            with pytest.raises(InputError, match=r"expected|takes"):
                call()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("task_routes", 5), ("worker_prefetch_multiplier", "many"), ("task_queues", 3), ("beat_schedule", 7),
     ("worker_pool", "none"), ("imports", 3), ("task_annotations", 3), ("worker_concurrency", "x")],
)  # fmt: skip
def test_a_setting_that_celery_does_not_take_is_no_bug_of_retrysim(app, setting, value):
    app.conf[setting] = value

    with Simulation() as sim:
        try:
            sim.start_worker(app)
        except InternalError as error:
            raise AssertionError("taken for a bug of retrysim") from error
        except Exception:
            pass
        sim.leave_workers()
