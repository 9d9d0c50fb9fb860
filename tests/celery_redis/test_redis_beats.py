"""Time in which nothing happens is left out, and nothing shows it: not the trace, nor what kombu remembers."""

import random

import kombu
import pytest
from redis_apps import START, make_app, seconds_of

from retrysim import Simulation
from retrysim.celery.hub.poller import HubPoller
from retrysim.kernel.beat import Stillness
from retrysim.trace.ndjson import dump_ndjson

#: Whether a timer changes nothing is known of kombu 5.7; what it does in older versions is played each time.
knows_timers = pytest.mark.skipif(
    kombu.VERSION < (5, 7), reason="kombu before 5.7 has other timers: they are all played"
)


@pytest.fixture(scope="module")
def app():
    app = make_app(broker_transport_options={"visibility_timeout": 400})

    @app.task(name="draws", shared=False)
    def draws():
        return random.random()

    return app


def let_beats_pass_one_by_one(monkeypatch):
    monkeypatch.setattr(Stillness, "whole_periods_ns", lambda _stillness, _until_ns: 0)


def let_hubs_go_round_each_time(monkeypatch):
    let_beats_pass_one_by_one(monkeypatch)
    monkeypatch.setattr(HubPoller, "idle", property(lambda _poller: False))


# -- what idle time costs ----------------------------------------------------------------------------------------------


def steps_of(app, idle, **options):
    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app, **options)
        before = sim.environment.meter.steps
        sim.run_for(idle)
        return sim.environment.meter.steps - before


@knows_timers
def test_an_idle_hub_does_not_go_round(app, monkeypatch):
    let_beats_pass_one_by_one(monkeypatch)
    rounds = []
    real_poll = HubPoller.poll
    monkeypatch.setattr(HubPoller, "poll", lambda poller, timeout: rounds.append(1) or real_poll(poller, timeout))

    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app)
        rounds.clear()
        sim.run_for("19 minutes")

    assert len(rounds) < 10  # it was 525: each 10 and each 25 seconds, and twice for a sweep


@knows_timers
def test_idle_hours_cost_what_happens_in_them(app):
    twenty_minutes = steps_of(app, "20 minutes")  # so often kombu refreshes its bindings

    assert twenty_minutes < 200
    assert steps_of(app, "10 hours") < 30 * twenty_minutes


@knows_timers
def test_a_callback_of_the_app_in_each_round_is_called_in_each_round(app):
    ticks = []
    with Simulation(broker="redis", start=START) as sim:
        worker = sim.start_worker(app)
        worker.controller.hub.on_tick.add(lambda: ticks.append(1))
        sim.run_for("100 s")

    assert len(ticks) >= 22


# -- the same with and without -----------------------------------------------------------------------------------------


def play(app, seed):
    """A few things that happen after minutes or hours; returns the trace, and what every worker remembered meanwhile."""
    choice = random.Random(seed)
    with Simulation(broker="redis", start=START, seed=seed) as sim:
        for number in range(choice.randint(1, 3)):
            sim.start_worker(app, concurrency=choice.randint(1, 2), prefetch_multiplier=choice.choice([1, 4]))
            if number and choice.random() < 0.7:
                sim.run_for(some_time(choice, 30))
        remembered = []
        for _ in range(choice.randint(3, 7)):
            something_happens(choice, app, sim)
            sim.run_for(some_time(choice, choice.choice([7, 70, 700, 3000])))
            remembered.append(memory_of(sim))
        sim.run()
        remembered.append(memory_of(sim))
        return dump_ndjson(sim.trace), remembered


def some_time(choice, most):
    return f"{round(choice.uniform(0, most), choice.choice([0, 1, 6])) + 1} s"


def something_happens(choice, app, sim):
    tasks, broker = app.tasks, sim.broker
    worker = choice.choice([worker for worker in sim.workers if not worker.stopped])
    happens = choice.choice(
        [
            lambda: tasks["add"].delay(1, 2),
            lambda: tasks["draws"].delay(),
            lambda: tasks["lucky"].delay(choice.choice([60, 333.3, 5000])),
            lambda: [tasks["add"].apply_async((1, 1), countdown=600) for _ in range(3)],
            lambda: tasks["late_nap"].apply_async((choice.choice([5, 300, 1000]),), countdown=choice.choice([0, 50])),
            lambda: [tasks["late_nap"].delay(90) for _ in range(4)],
            broker.cut_connections,
            broker.cut_in_mid_answer,
            lambda: broker.slow_down(choice.choice(["3 ms", "2 s"]), worker),
            lambda: broker.partition(worker),
            lambda: broker.repair(worker),
            broker.restart,
            lambda: (worker.kill(), sim.start_worker(app)),
        ]
    )
    happens()


def memory_of(sim):
    """What kombu, redis-py and the server remember of what they did last, and the random numbers that come next."""
    broker = sim._crew.broker
    workers = [memory_of_worker(broker, worker) for worker in sim.workers if not worker.stopped]
    return [client.socket.connection.file_number for client in broker.server._blocked.values()], workers


def memory_of_worker(broker, worker):
    channels = [channel for channel in broker._channels if channel.host is worker.host]
    clients = [getattr(channel.__dict__.get("subclient"), "connection", None) for channel in channels]
    clients += [channel.client.connection for channel in channels]
    free = [connection for channel in channels for connection in channel.pool._available_connections]
    with worker.inside():
        random_numbers = random.getstate()[1]
    return {
        "timers": [(one.eta, name_of(one.entry.fun), one.entry._last_run) for one in sorted(timer_of(worker))],
        "channels": [
            [channel.qos._vrestore_count, channel._brpop_sent_at, bool(channel._in_poll)]
            + [vars(channel).get(name) for name in ("_bindings_swept_at", "_binding_expiry_refreshed_at")]
            for channel in channels
        ],
        "alive": [one.next_health_check for one in clients + free if one is not None and one._sock is not None],
        "random numbers": random_numbers,
    }


def timer_of(worker):
    return worker.controller.hub.timer._queue


def name_of(function):
    return getattr(function, "__qualname__", "the sweep")


@knows_timers
@pytest.mark.parametrize("seed", [1, 2, 5, 9, 13])
def test_what_passes_leaves_what_a_round_leaves(app, monkeypatch, seed):
    passed = play(app, seed)
    let_hubs_go_round_each_time(monkeypatch)

    assert play(app, seed) == passed


@knows_timers
def test_whole_periods_leave_what_their_beats_leave(app, monkeypatch):
    passed = play(app, 5)
    let_beats_pass_one_by_one(monkeypatch)

    assert play(app, 5) == passed


@pytest.mark.parametrize("phase", ["0 s", "7.000001 s"])
def test_of_two_workers_the_same_starts_first_after_idle_hours(app, monkeypatch, phase):
    def starts():
        with Simulation(broker="redis", start=START) as sim:
            sim.start_worker(app)
            sim.run_for(phase)
            sim.start_worker(app)
            for _ in range(4):
                app.tasks["add"].apply_async((1, 1), countdown=2_000)
            sim.run()
            return [(event.worker, event.at_ns) for event in sim.trace if event.kind == "task-started"]

    passed = starts()
    let_hubs_go_round_each_time(monkeypatch)

    assert starts() == passed
    assert {at_ns for _, at_ns in passed} == {passed[0][1]}


def test_what_becomes_visible_after_idle_hours_is_received_when_it_does(app, monkeypatch):
    def received():
        with Simulation(broker="redis", start=START) as sim:
            doomed = sim.start_worker(app)
            app.tasks["late_nap"].apply_async((6_000,))
            sim.run_for("3.3 s")
            doomed.kill()
            sim.run_for("20 minutes")  # nobody sweeps
            sim.start_worker(app)
            sim.run_for("1 hour")
            app.tasks["add"].delay(1, 1)
            sim.run_for(1)
            return seconds_of(sim, "task-received")

    passed = received()
    let_hubs_go_round_each_time(monkeypatch)

    assert received() == passed
