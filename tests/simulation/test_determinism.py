"""The same seed gives the same bytes, whatever the hash seed and the process; another seed, other bytes."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from celery import Celery

from retrysim import Simulation

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HEADLINE = "scenarios/user_200_calls.scenario.yaml"


def run(*arguments, hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "retrysim.cli", "run", HEADLINE, "--json", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=True)
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    printed = [run("--trace", str(folder), hash_seed=seed) for folder, seed in zip(folders, "01", strict=True)]
    return printed, folders


def test_two_processes_with_different_hash_seeds_write_the_same_trace(runs):
    _, (first, second) = runs
    names = sorted(path.name for path in first.iterdir())

    assert names == ["user_200_calls-eager.ndjson", "user_200_calls-worker.ndjson"]
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_the_printed_hash_is_that_of_the_trace(runs):
    printed, folders = runs

    for items, folder in zip(printed, folders, strict=True):
        written = {sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
        assert {item["trace_sha256"] for item in items} == written
        assert len(written) == 2


def test_another_seed_gives_other_task_ids_and_the_same_outcome(runs):
    printed, _ = runs
    other = run("--seed", "7", hash_seed="0")

    assert {item["seed"] for item in other} == {7}
    assert all(item["passed"] for item in other)
    assert not {item["trace_sha256"] for item in other} & {item["trace_sha256"] for item in printed[0]}


def test_a_trace_holds_no_secret(runs):
    _, (folder, _) = runs

    for path in folder.iterdir():
        text = path.read_text()
        assert "token-1" in text
        assert "fake-token" not in text


def test_the_json_line_is_the_documented_one(runs):
    printed, _ = runs
    [worker, _] = printed[0]

    assert {key: worker[key] for key in ("scenario", "file", "item", "seed", "passed", "attempts", "elapsed")} == {
        "scenario": "a 200-call user loses nothing",
        "file": HEADLINE,
        "item": "worker",
        "seed": 0,
        "passed": True,
        "attempts": 220,
        "elapsed": 900.0,
    }
    assert worker["tasks"] == {
        "submitted": 200, "succeeded": 200, "failed": 0, "revoked": 0, "rejected": 0, "pending": 0, "lost": 0,
        "retried": 20,
    }  # fmt: skip
    assert worker["calls"] == {
        "twitter": {
            "GET /1.1/statuses/user_timeline.json": {"200": 200, "429": 20},
            "GET /1.1/application/rate_limit_status.json": {"200": 20},
        }
    }
    assert worker["violations"] == []
    assert {"celery", "kombu", "redis"} <= set(worker["versions"])
    assert 0 < worker["wall"] < 60


def test_a_task_that_expired_in_an_eager_run_does_not_stay_revoked_in_the_next():
    app = Celery("expiring", broker="redis://nobody.example/0", set_as_current=False)

    @app.task(name="expiring.task", bind=True, shared=False)
    def task(self):
        if not self.request.retries:
            raise self.retry(countdown=60)

    states = []
    for expires in (30, None):
        with Simulation(seed=1) as sim:
            sim.run_eagerly(app)
            task.apply_async(expires=expires)
            sim.run()
            states.append(dict(sim.states))

    assert states == [{"REVOKED": 1}, {"SUCCESS": 1}]
