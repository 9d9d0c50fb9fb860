"""What only the test may do is refused inside a run, with what to do instead; and blame goes by whose call it was."""

from __future__ import annotations

import json
import time

import pytest

from retrysim import InputError, Simulation

LETS_TIME_PASS = "lets time pass, which only the test itself can"


@pytest.fixture
def sim():
    with Simulation(broker="memory") as simulation:
        yield simulation


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        (lambda sim, _: sim.run(), f"task acts[12345678] {LETS_TIME_PASS}: to wait, use time.sleep"),
        (lambda sim, _: sim.run_for(1), f"task acts[12345678] {LETS_TIME_PASS}: to wait, use time.sleep"),
        (lambda _, worker: worker.stop(), f"task acts[12345678] {LETS_TIME_PASS}: to wait, use time.sleep"),
        (
            lambda _, worker: worker.kill(),
            "task acts[12345678] kills worker-1, which runs it: "
            "call kill() in the test, or os.kill(os.getpid(), 9) in the task",
        ),
        (
            lambda sim, _: sim.close(),
            "task acts[12345678] ends the simulation that runs it: call close() in the test",
        ),
    ],
    ids=["run", "run_for", "stop", "kill", "close"],
)
def test_a_verb_of_the_test_is_refused_in_a_task(sim, app, verb, message):
    @app.task(name="acts", shared=False)
    def acts():
        verb(sim, sim.workers[0])

    sim.start_worker(app)
    acts.apply_async(task_id="12345678")
    with pytest.raises(InputError) as caught:
        sim.run()

    assert str(caught.value) == message


def test_a_condition_that_waits_is_refused(sim, app):
    sim.start_worker(app)

    with pytest.raises(InputError) as caught:
        sim.run(until=lambda: time.sleep(1))

    assert str(caught.value) == (
        f"a condition or a callback of the run {LETS_TIME_PASS}: it may look, and must not wait"
    )


def test_a_condition_that_runs_is_refused(sim, app):
    sim.start_worker(app)

    with pytest.raises(InputError, match="a condition or a callback of the run"):
        sim.run(until=lambda: sim.run_for(1))


def test_a_condition_that_raises_in_a_library_is_no_bug_of_ours(sim, app):
    sim.start_worker(app)

    with pytest.raises(json.JSONDecodeError):
        sim.run(until=lambda: json.loads("{"))


def test_a_program_may_kill_a_worker(sim, app):
    worker = sim.start_worker(app)
    sim.start_program(worker.kill)

    sim.run_for(1)

    assert worker.stopped
