"""``sim.notes`` and ``check()`` say what a run has replaced or left out, and which tasks ran again after success."""

import os
import subprocess
import sys
import time
import warnings

import kombu
import pytest
from celery import Celery
from kombu import Queue

from retrysim.errors import RanAgainWarning
from retrysim.invariants import no_task_fails
from retrysim.simulation import Simulation


def notes_of(broker, **settings):
    app = Celery("shop", set_as_current=False)
    app.conf.update({"broker_url": "amqp://nobody.example//", **settings})
    with Simulation(broker=broker) as sim:
        sim.start_worker(app)
        return sim.notes, dict(app.conf.broker_transport_options)


@pytest.mark.parametrize(
    ("broker", "settings", "notes"),
    [
        ("rabbitmq", {}, []),
        ("redis", {"broker_url": "redis://nobody.example/0"}, []),
        ("redis", {}, ["shop: its broker is of the kind 'amqp'; redis stands in for it"]),
        (
            "redis",
            {
                "broker_url": "filesystem://",
                "broker_transport_options": {"visibility_timeout": 7, "region": "eu", "wait": 1},
            },
            [
                "shop: its broker is of the kind 'filesystem'; redis stands in for it",
                "shop: broker_transport_options (visibility_timeout) has the same effect on redis",
                "shop: broker_transport_options (region, wait) have no effect on redis",
            ],
        ),
        (
            "memory",
            {"task_queues": [Queue("celery", queue_arguments={"x-max-priority": 9})]},
            [
                "shop: its broker is of the kind 'amqp'; memory stands in for it",
                "shop: queue_arguments (x-max-priority) has no effect on memory",
            ],
        ),
        (
            "redis",
            {
                "broker_url": "redis://nobody.example/0",
                "result_backend": "file:///tmp",
                "worker_max_tasks_per_child": 5,
            },
            [
                "shop: its results are kept in the memory of the simulation, and not in 'file'",
                "shop: worker_max_tasks_per_child has no effect without isolated=True",
            ],
        ),
    ],
)
def test_notes_say_what_stands_in_and_what_has_no_effect(broker, settings, notes):
    assert notes_of(broker, **settings)[0] == notes


@pytest.mark.parametrize(
    ("pool", "isolated", "noted"),
    [("prefork", False, 1), ("prefork", True, 0), ("solo", None, 0), ("threads", None, 0)],
)
def test_a_limit_of_children_is_noted_once_where_there_are_children_that_do_not_obey_it(pool, isolated, noted):
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf.worker_max_memory_per_child = 100_000
    with Simulation() as sim:
        for _ in range(2):
            sim.start_worker(app, pool=pool, isolated=isolated)
        assert sim.notes == ["shop: worker_max_memory_per_child has no effect without isolated=True"] * noted


def test_the_visibility_timeout_of_another_broker_is_carried_over():
    options = {"visibility_timeout": 7, "region": "eu"}

    assert notes_of("redis", broker_url="filesystem://", broker_transport_options=options)[1] == {
        "visibility_timeout": 7
    }


def test_remap_sigterm_has_no_effect_once_celery_is_imported(monkeypatch):
    monkeypatch.setenv("REMAP_SIGTERM", "SIGQUIT")

    assert notes_of("redis", broker_url="redis://nobody.example/0")[0] == [
        "shop: REMAP_SIGTERM has no effect, because it was set after Celery was imported"
    ]


def test_remap_sigterm_makes_a_stop_a_cold_one(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import time\n"
        "import celery, retrysim\n"
        "app = celery.Celery('shop', broker='redis://nobody.example/0')\n"
        "@app.task\n"
        "def work():\n"
        "    time.sleep(60)\n"
        "with retrysim.Simulation() as sim:\n"
        "    worker = sim.start_worker(app)\n"
        "    work.delay()\n"
        "    sim.run_for(1)\n"
        "    worker.stop()\n"
        "    [stopped] = [event for event in sim.trace if event.kind == 'worker-stopped']\n"
        "    print(stopped.how, sim.elapsed.total_seconds() < 60, sim.notes)\n"
    )
    env = {**os.environ, "REMAP_SIGTERM": "SIGQUIT"}
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True, env=env)
    assert ran.stdout == "cold True []\n"


@pytest.mark.parametrize(
    ("how", "notes"),
    [
        ("start_worker", ["shop: task_always_eager = True is switched off, as in production"]),
        ("run_eagerly", ["shop: task_always_eager = True is switched off, as in production"]),
        ("run_always_eagerly", []),
    ],
)
def test_always_eager_is_noted_where_it_is_switched_off(how, notes):
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf.task_always_eager = True
    with Simulation() as sim:
        getattr(sim, how)(app)
        assert sim.notes == notes


@pytest.fixture
def app():
    if kombu.VERSION < (5, 7):
        pytest.skip("unacked_restore_interval and _throttle came with kombu 5.7")
    options = {"visibility_timeout": 60, "unacked_restore_interval": 10, "unacked_restore_throttle": 1}
    app = Celery("again", broker="filesystem://", set_as_current=False)
    app.conf.broker_transport_options = options

    @app.task(name="long", acks_late=True, shared=False)
    def long():
        time.sleep(90)

    @app.task(name="fails", shared=False)
    def fails():
        raise ValueError("no")

    return app


def test_check_mentions_what_ran_again_after_success(app):
    with Simulation(broker="redis") as sim:
        sim.start_worker(app, concurrency=2)
        result = app.tasks["long"].delay()
        sim.run()

        with pytest.warns(RanAgainWarning) as warned:
            sim.check()
        again = f"long: 1 task ran again during or after its success, once in all (long[{result.id[:8]}]: {sim.task(result.id).timeline})"
        assert [str(one.message) for one in warned] == [again]


def test_check_is_silent_when_nothing_ran_again(app):
    with Simulation(broker="redis") as sim, warnings.catch_warnings():
        warnings.simplefilter("error", RanAgainWarning)
        sim.start_worker(app)
        app.tasks["fails"].delay()
        sim.run()

        with pytest.raises(AssertionError) as error:
            sim.check(no_task_fails)

    assert str(error.value).splitlines()[-4:] == [
        "",
        "note: again: its broker is of the kind 'filesystem'; redis stands in for it",
        "note: again: broker_transport_options (unacked_restore_interval, unacked_restore_throttle, visibility_timeout) "
        "have the same effect on redis",
        "replay: Simulation(seed=0)",
    ]
