"""A host whose clock is ahead or behind: what reads it, what does not, and what an ETA makes of it."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta

import pytest
import redis
import requests
from celery import Celery
from celery.schedules import crontab

import retrysim
from retrysim.errors import DurationError, InputError
from retrysim.fakes import API

app = Celery("skewed", broker="redis://localhost:6379/0", set_as_current=False)
app.conf.update(timezone="UTC", result_backend="redis://localhost:6379/1")
START = datetime(2020, 1, 1, tzinfo=UTC)
SIMULATIONS = []  # for a task that acts on its own


@app.task
def read():
    """What every reading of the clock says, in seconds after the start of the run."""
    start = START.timestamp()
    return {
        "time": time.time() - start,
        "time_ns": time.time_ns() / 1e9 - start,
        "now": (datetime.now(UTC) - START).total_seconds(),
        "utcnow": (datetime.utcnow() - START.replace(tzinfo=None)).total_seconds(),
        "gmtime": time.strftime("%H:%M:%S", time.gmtime()),
        "ctime": datetime.strptime(time.ctime(), "%a %b %d %H:%M:%S %Y").astimezone(UTC).strftime("%H:%M:%S"),
        "today": date.today().isoformat(),
        "celery": (app.now() - START).total_seconds(),
    }


@app.task
def measure(seconds=10):
    """How long a wait takes, by two clocks."""
    before = time.monotonic(), time.perf_counter()
    time.sleep(seconds)
    return [time.monotonic() - before[0], time.perf_counter() - before[1]]


@app.task
def look_twice(seconds=10):
    before = time.time()
    time.sleep(seconds)
    return time.time() - before


@app.task(acks_late=True)
def late():
    time.sleep(600)


@app.task(bind=True)
def again(self):
    """Its retry is the other worker's."""
    if not self.request.retries:
        raise self.retry(countdown=60, queue="other")


@app.task
def ask():
    return requests.get("https://clock.example/now", timeout=5).json()["now"]


@app.task
def remember():
    """A key that lives for a minute, and what the server says the time is."""
    client = redis.Redis(host="localhost")
    client.set("key", 1, ex=60)
    return [client.time()[0] - int(START.timestamp()), client.ttl("key")]


@app.task
def read_stream():
    client = redis.Redis(host="localhost")
    client.xgroup_create("stream", "group", mkstream=True)
    client.xreadgroup("group", "reader", {"stream": ">"}, block=3_000)
    time.sleep(5)
    return client.xpending_range("stream", "group", "-", "+", 1)[0]["time_since_delivered"]


@app.task
def write_stream():
    time.sleep(1)
    redis.Redis(host="localhost").xadd("stream", {"a": 1})


@app.task
def set_clock():
    SIMULATIONS[0].skew_clock("30s")


def started_s(sim, result):
    """When the attempts of a task began, in seconds after the start."""
    return [(attempt.start_ns - sim.trace.start_ns) / 1e9 for attempt in sim.task(result.id).attempts]


@pytest.fixture
def sim():
    with retrysim.Simulation(start=START) as sim:
        yield sim


@pytest.fixture(params=[False, True], ids=["shared", "isolated"])
def worker(sim, request):
    return sim.start_worker(app, concurrency=1, isolated=request.param)


def test_every_reading_of_the_date_is_that_of_the_host_and_the_test_has_its_own(sim, worker):
    sim.skew_clock("25h", worker)
    result = read.delay()
    sim.run()

    assert result.get() == {
        "time": 90_000, "time_ns": 90_000, "now": 90_000, "utcnow": 90_000, "celery": 90_000,
        "gmtime": "01:00:00", "ctime": "01:00:00", "today": "2020-01-02",
    }  # fmt: skip
    assert (time.time(), datetime.now(UTC), date.today().isoformat()) == (START.timestamp(), START, "2020-01-01")
    assert sim.now == START


def test_waits_and_monotonic_clocks_are_those_of_all(sim, worker):
    sim.skew_clock("-1h", worker)
    result = measure.delay()
    sim.run()

    assert result.get() == [10, 10]
    assert sim.elapsed == timedelta(seconds=10)


def test_a_clock_that_is_set_while_a_task_waits_jumps_in_that_task(sim, worker):
    result = look_twice.delay()
    sim.run_for(5)
    sim.skew_clock("30s", worker)
    sim.run()

    assert result.get() == 40


def test_a_clock_that_is_set_right_is_right(sim, worker):
    sim.skew_clock("30s", worker)
    sim.skew_clock(0, worker)
    result = read.delay()
    sim.run()

    assert result.get()["time"] == 0
    assert [(event.verb, event.target, event.name) for event in sim.trace if event.kind == "fault"] == [
        ("skew_clock", "worker-1", "clock of worker-1 30s ahead"),
        ("set_clock", "worker-1", "clock of worker-1 right"),
    ]


def test_a_worker_that_is_started_anew_has_the_clock_of_its_machine(sim, worker):
    sim.skew_clock("30s", worker)
    worker.kill()
    worker.restart()
    result = read.delay()
    sim.run()

    assert result.get()["time"] == 30


@pytest.mark.parametrize("broker", ["memory", "redis", "rabbitmq"])
@pytest.mark.parametrize("isolated", [False, True], ids=["shared", "isolated"])
@pytest.mark.parametrize(("by", "begins"), [("30s", 90), ("-30s", 30)])
def test_a_retry_comes_late_by_as_much_as_its_sender_is_ahead(broker, isolated, by, begins):
    with retrysim.Simulation(start=START, broker=broker) as sim:
        first = sim.start_worker(app, isolated=isolated)
        sim.start_worker(app, queues=["other"], isolated=isolated)
        sim.skew_clock(by, first)
        result = again.delay()
        sim.run()

        assert [attempt.worker for attempt in sim.task(result.id).attempts] == ["worker-1", "worker-2"]
        assert started_s(sim, result) == [0, begins]


def test_a_retry_that_its_own_sender_receives_comes_in_time(sim):
    first = sim.start_worker(app, queues=["celery", "other"])
    sim.skew_clock("30s", first)
    result = again.delay()
    sim.run()

    assert started_s(sim, result) == [0, 60]


def test_the_clock_of_the_test_is_that_of_what_it_sends(sim, worker):
    sim.skew_clock("30s")
    assert time.time() == START.timestamp() + 30
    late, soon = read.apply_async(countdown=60), read.delay()
    sim.run()

    assert started_s(sim, late) == [90]
    assert soon.get()["time"] == 0


def test_a_condition_reads_the_clock_of_the_test(sim, worker):
    sim.skew_clock("1h", worker)
    measure.delay()
    seen = []
    sim.run(until=lambda: seen.append(time.time() - START.timestamp()))

    assert (min(seen), max(seen)) == (0, 10)


def test_a_beat_sends_by_its_own_clock(sim):
    app.conf.beat_schedule = {"noon": {"task": read.name, "schedule": crontab(minute=0, hour=12)}}
    try:
        sim.start_worker(app)
        beat = sim.start_beat(app)
        sim.skew_clock("1h", beat)
        sim.run_for("12h")
    finally:
        app.conf.beat_schedule = {}

    sent = [event for event in sim.trace if event.kind == "task-sent"]
    assert [(event.at_ns - sim.trace.start_ns) // 10**9 for event in sent] == [11 * 3600]


def test_the_server_of_a_fake_has_a_clock_of_its_own(sim, worker):
    sim.serve(API("https://clock.example", endpoints={"GET /now": lambda _: {"now": time.time() - START.timestamp()}}))
    sim.skew_clock("1h", worker)
    result = ask.delay()
    sim.run()

    assert result.get() == 0


def test_redis_has_a_clock_of_its_own():
    with retrysim.Simulation(start=START, broker="redis", redis=True) as sim:
        worker = sim.start_worker(app)
        sim.skew_clock("1h", worker)
        result = remember.delay()
        sim.run()

        assert result.get() == [0, 60]


def test_redis_answers_a_blocked_client_by_its_own_clock():
    with retrysim.Simulation(start=START, broker="redis", redis=True) as sim:
        sim.start_worker(app)
        writer = sim.start_worker(app, queues=["other"])
        sim.skew_clock("1h", writer)
        result = read_stream.delay()
        write_stream.apply_async(queue="other")
        sim.run()

        assert result.get() == 5_000


def test_a_worker_far_ahead_takes_what_another_one_runs():
    with retrysim.Simulation(start=START, broker="redis") as sim:
        sim.start_worker(app)
        ahead = sim.start_worker(app, queues=["other"])
        sim.skew_clock("2h", ahead)
        result = late.delay()
        sim.run_for("15m")

        assert started_s(sim, result)[:2] == [0, 600]


def test_a_worker_far_behind_is_taken_what_it_runs():
    with retrysim.Simulation(start=START, broker="redis") as sim:
        behind = sim.start_worker(app)
        sim.start_worker(app, queues=["other"])
        sim.skew_clock("-2h", behind)
        result = late.delay()
        sim.run_for("15m")

        assert started_s(sim, result)[:2] == [0, 600]


def test_a_run_without_it_asks_nobody(sim, worker):
    assert sim.environment.skews._enter not in sim.environment.listeners.host_entered


def test_an_isolated_pool_process_cannot_set_a_clock(sim):
    SIMULATIONS[:] = [sim]
    sim.start_worker(app, isolated=True)
    set_clock.delay()
    with pytest.raises(InputError) as caught:
        sim.run()

    assert str(caught.value).endswith(
        "acts on the simulation from an isolated pool process, which has a copy of it: "
        "do it in the test, or start the worker without isolated=True"
    )


def test_what_is_no_skew_is_one_clear_error(sim, worker):
    with pytest.raises(DurationError) as caught:
        sim.skew_clock("-soon", worker)

    assert str(caught.value) == (
        "'soon' is not a valid duration: expected seconds, a timedelta, or a text such as "
        '"15 minutes", "2.5s", "1h30m"'
    )
