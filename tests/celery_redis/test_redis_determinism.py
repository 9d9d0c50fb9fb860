"""The same seed gives the same bytes on Redis, too: in another process, under another hash seed, and a second time."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent

PROGRAM = r"""
import random
import sys

from kombu import Exchange, Queue
from redis_apps import START, make_app

from retrysim import Simulation
from retrysim.trace.ndjson import dump_ndjson

news = Exchange("news")
papers = [Queue(name, news, routing_key="news") for name in ("times", "post", "globe", "sun")]
app = make_app(task_queues=[Queue("celery"), Queue("mail"), Queue("web"), *papers])


@app.task(name="jittered", shared=False, autoretry_for=(ValueError,), retry_backoff=True, max_retries=4)
def jittered():
    raise ValueError(random.random())


def played():
    with Simulation(broker="redis", start=START, seed=int(sys.argv[1])) as sim:
        sim.start_worker(app, concurrency=2, queues=["celery", "mail", "web"])
        doomed = sim.start_worker(app, queues=["web", "celery"])
        for paper in papers:
            sim.start_worker(app, queues=[paper.name])
        app.tasks["add"].apply_async((1, 1), exchange="news", routing_key="news")
        for number in range(5):
            app.tasks["jittered"].delay()
            app.tasks["late_nap"].apply_async((number,), queue="mail", priority=number)
            app.tasks["add"].apply_async((number, 1), queue="web")
        app.control.inspect(timeout=1).active()
        sim.run_for(2)
        doomed.kill()
        sim.run()
        return dump_ndjson(sim.trace)


for _ in range(int(sys.argv[2])):
    trace = played()
sys.stdout.write(trace)
"""


@cache
def play(seed, hash_seed, times=1):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    environment["PYTHONPATH"] = os.pathsep.join([*sys.path, str(HERE)])
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(seed), str(times)],
        capture_output=True,
        env=environment,
        check=True,
    )
    return ran.stdout


def test_two_processes_with_different_hash_seeds_write_the_same_bytes():
    assert play(7, "0") == play(7, "1")
    assert len(play(7, "0").splitlines()) > 100


def test_what_ran_before_in_a_process_changes_nothing():
    assert play(7, "0") == play(7, "2", times=2)


def test_another_seed_gives_another_schedule():
    assert play(7, "0") != play(8, "0")
