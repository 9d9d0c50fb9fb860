"""Which broker is simulated: what is asked for, or what stands in for the app's own."""

from __future__ import annotations

import pytest
from celery import Celery
from celery.worker import loops

from retrysim import Simulation, Unsupported
from retrysim.errors import AppError, InputError


def app_with(url):
    return Celery("shop", broker=url, set_as_current=False)


@pytest.mark.parametrize(
    ("url", "name", "loop"),
    [
        ("redis://nobody.example/0", "redis", loops.asynloop),
        ("rediss://nobody.example/0", "redis", loops.asynloop),
        ("sentinel://nobody.example", "redis", loops.asynloop),
        ("memory://", "memory", loops.synloop),
        ("amqp://nobody.example", "rabbitmq", loops.asynloop),
        ("amqps://nobody.example", "rabbitmq", loops.asynloop),
        ("pyamqp://nobody.example", "rabbitmq", loops.asynloop),
        (None, "rabbitmq", loops.asynloop),
    ],
)
def test_the_apps_own_url_says_which_kind_and_that_decides_the_loop(url, name, loop):
    with Simulation() as sim:
        worker = sim.start_worker(app_with(url))

        assert sim.broker.kind == name
        assert worker.controller.consumer.loop is loop


def test_what_is_asked_for_wins():
    with Simulation(broker="memory") as sim:
        sim.start_worker(app_with("redis://nobody.example/0"))

        assert sim.broker.kind == "memory"


def test_a_broker_that_is_not_simulated_says_what_can_stand_in():
    with Simulation() as sim, pytest.raises(AppError) as caught:
        sim.start_worker(app_with("filesystem://"))
    assert str(caught.value) == (
        "the app 'shop' has a broker of the kind 'filesystem', which is not simulated (redis, rabbitmq and "
        "memory are). Say what is to stand in for it: Simulation(broker='memory'), or broker: memory in a scenario"
    )


def test_an_unknown_kind_is_refused_before_anything_begins():
    with pytest.raises(Unsupported, match="broker='rabbit': this version simulates three kinds of broker"):
        Simulation(broker="rabbit")


def test_before_an_app_is_known_there_is_no_broker_to_look_into():
    with Simulation() as sim, pytest.raises(InputError) as caught:
        sim.broker.waiting()
    assert str(caught.value) == (
        "there is no broker yet: start a worker first, or say which, Simulation(broker='redis')"
    )


def test_a_real_server_in_the_environment_gets_no_packet(monkeypatch):
    for variable in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(variable, "redis://127.0.0.1:1/0")  # nobody listens there: a packet would be an error
    app = app_with("redis://nobody.example/0")

    @app.task(shared=False)
    def add(x, y):
        return x + y

    with Simulation() as sim:
        sim.start_worker(app)
        assert add.delay(1, 2).get() == 3


def test_time_passes_in_a_simulation_without_any_app():
    with Simulation() as sim:
        sim.run_for("15 minutes")
        sim.run()

        assert sim.elapsed.total_seconds() == 900


@pytest.mark.parametrize(("options", "begins_ms"), [({}, [300, 750]), ({"polling_interval": 1}, [1000, 2000])])
def test_an_app_in_memory_that_sets_its_polling_interval_is_polled(options, begins_ms):
    app = Celery("polled", broker="memory://", backend="cache+memory://", set_as_current=False)
    app.conf.broker_transport_options = options

    @app.task(name="note", shared=False)
    def note():
        pass

    with Simulation() as sim:
        sim.start_worker(app)
        for seconds in (0.3, 0.45):
            sim.run_for(seconds)
            note.delay()
            sim.run()
        starts = [
            attempt.start_ns - sim.trace.start_ns for task in sim.trace.tasks.values() for attempt in task.attempts
        ]
        assert [start // 1_000_000 for start in starts] == begins_ms
