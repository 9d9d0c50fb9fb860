"""A key is gone at the instant its time to live ends, however it was set and whoever asks."""

import time
from datetime import UTC, datetime

import fakeredis
import pytest
import redis
from celery import Celery
from fakeredis._core import Database
from fakeredis.model import _expiring_members_set, _hash

from retrysim.simulation import Simulation

START = datetime(2026, 3, 2, 9, 0, 0, 123_457, tzinfo=UTC)
SETS = {
    "SET EX": lambda client: client.set("k", 1, ex=10),
    "SET PX": lambda client: client.set("k", 1, px=10_000),
    "SETEX": lambda client: client.execute_command("SETEX", "k", 10, 1),
    "EXPIRE": lambda client: client.set("k", 1) and client.expire("k", 10),
    "PEXPIRE": lambda client: client.lpush("k", 1) and client.pexpire("k", 10_000),
    "GETEX": lambda client: client.set("k", 1) and client.getex("k", ex=10),
    "pipeline": lambda client: client.pipeline().set("k", 1).expire("k", 10).execute(),
    "Lua": lambda client: client.eval("redis.call('SET', KEYS[1], 1, 'EX', 10)", 1, "k"),
    "Lock": lambda client: client.lock("k", timeout=10).acquire(),
    "GETEX PX": lambda client: client.set("k", 1) and client.getex("k", px=10_000),
}


@pytest.mark.parametrize("how", SETS)
@pytest.mark.parametrize("client", ["redis-py", "the user's fakeredis"])
def test_a_key_is_gone_at_the_instant_its_time_to_live_ends(how, client):
    with Simulation(start=START, redis=True):
        client = redis.Redis() if client == "redis-py" else fakeredis.FakeRedis(version=(7, 4))
        for _ in range(20):  # sums of floats are rounded up here, down there
            SETS[how](client)
            time.sleep(9.998)
            assert client.exists("k") == 1
            time.sleep(0.002)
            assert (client.exists("k"), client.keys(), client.dbsize()) == (0, [], 0)
            time.sleep(0.000_321)


def test_a_field_is_gone_in_the_millisecond_in_which_its_time_to_live_ends():
    with Simulation(start=START, redis=True):
        client = redis.Redis()
        client.hset("k", "f", 1)
        client.hexpire("k", 10, "f")
        time.sleep(9.998)
        assert client.hget("k", "f") == b"1"
        time.sleep(0.002)
        assert client.hget("k", "f") is None


@pytest.mark.parametrize("broker", ["redis", "memory"])
def test_a_retry_after_the_time_to_live_of_a_lock_finds_it_free(broker):
    app = Celery("expiry", broker="redis://nobody.example/0", set_as_current=False)
    client = redis.Redis()

    @app.task(name="once", bind=True, shared=False, max_retries=1)
    def once(self):
        if not client.set("lock", 1, nx=True, ex=30):
            raise self.retry(countdown=30)

    with Simulation(broker=broker, redis=True) as sim:
        sim.start_worker(app)
        for _ in range(2):
            app.tasks["once"].delay()
        sim.run()

        assert sim.states == {"SUCCESS": 2}


def test_expiry_is_given_back():
    def patched():
        return Database.expired, Database._remove_expired, _hash.current_time, _expiring_members_set.current_time

    before = patched()
    with Simulation(broker="redis", redis=True):
        assert all(mine is not theirs for mine, theirs in zip(patched(), before, strict=True))

    assert patched() == before
