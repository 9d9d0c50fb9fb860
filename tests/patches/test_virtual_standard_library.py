"""The standard library under a simulation: what is virtual, what stays real, and that all of it is undone."""

import copyreg
import datetime
import gc
import pickle
import queue
import random
import sys
import threading
import time
import uuid
from datetime import UTC
from time import monotonic, perf_counter, sleep
from zoneinfo import ZoneInfo

import pytest

from retrysim.clock import VirtualClock
from retrysim.durations import MICROSECOND, SECOND
from retrysim.kernel import Environment, Streams
from retrysim.patches import virtual_standard_library

START = 1_438_603_200 * SECOND  # 2015-08-03T12:00:00Z
REAL = {"time": time.time, "sleep": time.sleep, "uuid4": uuid.uuid4, "datetime": datetime.datetime}


def naps(seconds, sleep=sleep, clock=monotonic):
    """A function with clocks captured as default arguments, as kombu has some."""
    before = clock()
    sleep(seconds)
    return clock() - before


@pytest.fixture
def env():
    return Environment(VirtualClock(START))


@pytest.fixture
def virtual(env):
    with virtual_standard_library(env, Streams(7)):
        yield env


def test_every_reading_is_the_virtual_instant(virtual):
    assert (time.time(), time.time_ns()) == (1438603200.0, START)
    assert (time.monotonic(), time.perf_counter(), monotonic(), perf_counter()) == (1000.0,) * 4
    assert datetime.datetime.now(UTC) == datetime.datetime(2015, 8, 3, 12, tzinfo=UTC)
    assert datetime.datetime.utcnow() == datetime.datetime(2015, 8, 3, 12)
    assert datetime.date.today() == datetime.date(2015, 8, 3)
    assert time.gmtime()[:6] == (2015, 8, 3, 12, 0, 0)


@pytest.mark.parametrize(
    ("zone", "hour"), [("UTC", 12), ("America/New_York", 8), ("Asia/Tokyo", 21), ("Asia/Kathmandu", 17)]
)
def test_local_time_follows_tz(virtual, monkeypatch, zone, hour):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert datetime.datetime.now().hour == hour
        assert datetime.datetime.fromtimestamp(1438603200).hour == hour
        assert time.localtime().tm_hour == hour
        assert time.ctime().split()[3].startswith(f"{hour:02d}:")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_aware_now_keeps_the_fold_of_the_repeated_hour():
    env = Environment(VirtualClock(1_446_354_000 * SECOND + SECOND * 1800))  # 2015-11-01 05:30Z, 01:30 the first time
    with virtual_standard_library(env, Streams(0)):
        first = datetime.datetime.now(ZoneInfo("America/New_York"))
        time.sleep(3600)
        second = datetime.datetime.now(ZoneInfo("America/New_York"))

    assert (first.hour, first.minute, first.fold) == (1, 30, 0)
    assert (second.hour, second.minute, second.fold) == (1, 30, 1)


@pytest.mark.slow
def test_sleep_ends_exactly_when_the_float_arithmetic_of_a_client_meant():
    for fraction_us in range(0, 1_000_000, 9_973):
        env = Environment(VirtualClock(START + fraction_us * MICROSECOND))
        with virtual_standard_library(env, Streams(0)):
            time.sleep(1438604100 - time.time())
        assert env.clock.ns == 1_438_604_100 * SECOND


def test_sleep_suspends_one_process_only(virtual):
    log = []

    def task(name, seconds):
        sleep(seconds)
        log.append((time.time() - 1438603200, name))

    virtual.spawn(lambda: task("long", 900), name="long")
    virtual.spawn(lambda: task("short", 1), name="short")
    virtual.run()

    assert log == [(1.0, "short"), (900.0, "long")]


def test_clocks_captured_as_default_arguments_are_virtual_and_given_back(env):
    before = naps.__defaults__
    with virtual_standard_library(env, Streams(0)):
        assert naps(900) == 900.0

    assert naps.__defaults__ == before


def test_waits_of_queue_event_and_semaphore_are_virtual(virtual):
    log = []
    box, event, semaphore = queue.Queue(), threading.Event(), threading.Semaphore(0)

    def producer():
        sleep(10)
        box.put("item")
        event.set()
        semaphore.release()

    def consumer(name, wait):
        log.append((name, wait(), time.time() - 1438603200))

    virtual.spawn(producer, name="producer")
    virtual.spawn(lambda: consumer("queue", box.get), name="queue")
    virtual.spawn(lambda: consumer("event", event.wait), name="event")
    virtual.spawn(lambda: consumer("semaphore", semaphore.acquire), name="semaphore")
    virtual.spawn(lambda: consumer("late", lambda: event.wait(3)), name="late")
    virtual.run()

    assert sorted(log) == [
        ("event", True, 10.0),
        ("late", False, 3.0),
        ("queue", "item", 10.0),
        ("semaphore", True, 10.0),
    ]


def test_a_real_thread_starts_and_sleeps_in_real_time(virtual):
    seen = []
    thread = threading.Thread(target=lambda: (sleep(0.001), seen.append(threading.get_ident())))
    thread.start()
    thread.join()

    assert len(seen) == 1
    assert virtual.clock.ns == START


def test_random_draws_and_uuids_come_from_the_seed_and_the_users_state_is_given_back(env):
    state = random.getstate()
    draws = []
    for _ in range(2):
        with virtual_standard_library(env, Streams(7)):
            draws.append((random.random(), str(uuid.uuid4()), uuid.uuid4().version))

    assert draws[0] == draws[1]
    assert draws[0][2] == 4
    assert random.getstate() == state


def test_a_virtual_datetime_is_an_instance_both_ways_and_prints_like_a_real_one(virtual):
    now = datetime.datetime.now(UTC)

    assert isinstance(now, REAL["datetime"])
    assert isinstance(REAL["datetime"](2015, 8, 3), datetime.datetime)
    assert issubclass(REAL["datetime"], datetime.date)
    assert repr(now) == "datetime.datetime(2015, 8, 3, 12, 0, tzinfo=datetime.timezone.utc)"
    assert repr(datetime.date.today()) == "datetime.date(2015, 8, 3)"


class Moment(datetime.datetime):
    """A project's own, which knows no ``fold``."""

    def __new__(cls, year, month, day, hour=0, minute=0, second=0, microsecond=0, tzinfo=None):
        return super().__new__(cls, year, month, day, hour, minute, second, microsecond, tzinfo)


class Sunday(datetime.date):
    pass


def test_a_class_that_derives_from_datetime_tells_the_virtual_time(virtual):
    assert Moment.utcnow() == Moment(2015, 8, 3, 12)
    assert Moment.now() == Moment.today() == datetime.datetime.now()
    assert Moment.now(UTC) == datetime.datetime(2015, 8, 3, 12, tzinfo=UTC)
    assert type(Moment.now()) is Moment
    assert Sunday.today() == Sunday(2015, 8, 3)


def test_a_class_that_derives_from_datetime_in_a_simulation_tells_the_time_of_each_later_one(env):
    with virtual_standard_library(env, Streams(0)):

        class Late(datetime.datetime):
            pass

        class Day(datetime.date):
            pass

        assert (repr(Late.utcnow()), repr(Day(2015, 8, 3))) == ("Late(2015, 8, 3, 12, 0)", "Day(2015, 8, 3)")
        assert (isinstance(datetime.datetime.now(), Late), isinstance(datetime.date.today(), Day)) == (False, False)
        assert (issubclass(datetime.datetime, Late), isinstance(Late.now(), datetime.datetime)) == (False, True)

    assert abs(Late.now() - datetime.datetime.now()) < datetime.timedelta(minutes=1)
    assert Day.today() > Day(2015, 8, 4)

    with virtual_standard_library(Environment(VirtualClock(START + 3600 * SECOND)), Streams(0)):
        assert (Late.utcnow(), Day.today()) == (Late(2015, 8, 3, 13), Day(2015, 8, 3))


def test_a_pickle_made_inside_can_be_read_outside(env):
    with virtual_standard_library(env, Streams(0)):
        data = pickle.dumps([datetime.datetime.now(UTC), datetime.date.today(), REAL["datetime"](2020, 1, 1)])

    loaded = pickle.loads(data)
    assert [type(value) for value in loaded] == [datetime.datetime, datetime.date, datetime.datetime]
    assert loaded[0] == datetime.datetime(2015, 8, 3, 12, tzinfo=UTC)


@pytest.fixture
def no_collections():
    """hypothesis measures them, in globals of its own."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
@pytest.mark.usefixtures("no_collections")
def test_everything_is_undone(env, error):
    modules = {name: dict(vars(module)) for name, module in sys.modules.items()}
    dispatch_table = dict(copyreg.dispatch_table)
    condition_wait, thread_start = threading.Condition.wait, threading.Thread.start

    def run():
        with virtual_standard_library(env, Streams(0)):
            if error:
                raise error

    if error:
        with pytest.raises(error):
            run()
    else:
        run()

    assert (time.time, time.sleep, uuid.uuid4, datetime.datetime) == (
        REAL["time"], REAL["sleep"], REAL["uuid4"], REAL["datetime"],
    )  # fmt: skip
    assert sleep is REAL["sleep"]
    assert (threading.Condition.wait, threading.Thread.start) == (condition_wait, thread_start)
    assert copyreg.dispatch_table == dispatch_table
    assert [
        f"{name}.{key}"
        for name, before in modules.items()
        for key, value in vars(sys.modules[name]).items()
        if before.get(key) is not value and not name.startswith("retrysim.patches")
    ] == []
    assert abs(time.time() - 1438603200) > 3600
