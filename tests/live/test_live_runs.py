"""``retrysim run --live``: a scenario on real workers and a real broker, beside its simulation."""

from __future__ import annotations

import json

import pytest

from retrysim.trace import TaskRetried, load_ndjson

pytestmark = pytest.mark.slow


def test_a_retry_on_redis_agrees_with_the_simulation(run, redis_url, tmp_path):
    ended = run(
        "conformance/05_retry_then_success.scenario.yaml",
        *("--live", redis_url, "--scale", "20", "--compare", "--json", "--trace", tmp_path),
    )

    assert ended.code == 0, ended.out + ended.err
    facts = json.loads(ended.out)
    assert facts["agrees"]
    assert facts["tasks"]["succeeded"] == 1
    assert facts["attempts"] == 3
    trace = load_ndjson((tmp_path / "05_retry_then_success-worker.ndjson").read_text())
    assert [event.exception for event in trace.of(TaskRetried)] == ["", ""]


def test_calls_reach_the_fakes_and_limits_count(run, redis_url):
    ended = run(
        "conformance/21_limit_of_an_api.scenario.yaml", "--live", redis_url, "--scale", "20", "--compare", "--json"
    )

    assert ended.code == 0, ended.out + ended.err
    assert json.loads(ended.out)["calls"] == {"api": {"GET /things": {"200": 12, "429": 6}}}


def test_a_retry_on_rabbitmq_agrees_with_the_simulation(run, amqp_url):
    ended = run("conformance/04_one_retry.scenario.yaml", "--live", amqp_url, "--scale", "20", "--compare", "--json")

    assert ended.code == 0, ended.out + ended.err
    assert json.loads(ended.out)["agrees"]


def test_an_unscaled_run_takes_as_long_as_it_takes(run, redis_url, tmp_path):
    (tmp_path / "short.scenario.yaml").write_text(
        "name: a second\napp: conformance.app:app\n"
        "submit: [{task: add, args: [1, 2], countdown: 2s}]\nexpect: {attempts_at: [2s]}\n"
    )

    ended = run(tmp_path / "short.scenario.yaml", "--live", redis_url, "--json")

    assert ended.code == 0, ended.out + ended.err
    assert json.loads(ended.out)["wall"] > 2


def test_a_difference_is_marked_and_fails(run, redis_url, tmp_path):
    (tmp_path / "process.py").write_text(
        "import os\nfrom celery import Celery\napp = Celery('process', set_as_current=False)\nHOME = os.getpid()\n"
        "@app.task\ndef fork_counts():\n    assert os.getpid() == HOME\n"
    )
    (tmp_path / "differ.scenario.yaml").write_text(
        "name: a pool process is another process\napp: process:app\nsubmit: [{task: fork_counts}]\n"
    )

    ended = run("differ.scenario.yaml", "--live", redis_url, "--compare", folder=tmp_path)

    assert ended.code == 1
    rows = [" ".join(line.split()) for line in ended.out.splitlines()]  # columns are as wide as what took longest
    assert "! 1 0 process.fork_counts: SUCCESS in 1 attempt" in rows
    assert "! 0 1 process.fork_counts: FAILURE in 1 attempt" in rows


def test_settings_of_the_scenario_are_those_of_real_workers(run, redis_url, tmp_path):
    (tmp_path / "settings.py").write_text(
        "from celery import Celery\nfrom types import SimpleNamespace\napp = Celery('settings', set_as_current=False)\n"
        "app.config_from_object(SimpleNamespace(CELERY_TASK_ACKS_LATE=False), namespace='CELERY')\n"
        "@app.task(bind=True)\ndef is_late(self):\n    assert self.acks_late and app.conf.task_acks_late\n"
        "    assert app.conf.broker_transport_options['visibility_timeout'] == 77\n"
    )
    (tmp_path / "settings.scenario.yaml").write_text(
        "name: acked late\napp: settings:app\nsubmit: [{task: is_late}]\nexpect: {states: {SUCCESS: 1}}\n"
        "conf: {task_acks_late: true, broker_transport_options: {visibility_timeout: 77}}\n"
    )

    ended = run("settings.scenario.yaml", "--live", redis_url, "--compare", "--json", folder=tmp_path)

    assert ended.code == 0, ended.out + ended.err
    assert json.loads(ended.out)["agrees"]


def test_groups_of_workers_are_played_each_with_its_pool(run, redis_url, tmp_path):
    (tmp_path / "groups.scenario.yaml").write_text(
        "name: two groups\napp: conformance.app:app\n"
        "workers: [{name: fast, concurrency: 2, queues: celery}, {name: slow, pool: threads, queues: other}]\n"
        "submit: [{task: add, args: [1, 2]}, {task: add, args: [1, 2], queue: other}]\nexpect: {states: {SUCCESS: 2}}\n"
    )

    ended = run(tmp_path / "groups.scenario.yaml", "--live", redis_url, "--compare", "--json", "--trace", tmp_path)

    assert ended.code == 0, ended.out + ended.err
    trace = load_ndjson((tmp_path / "groups-worker.ndjson").read_text())
    assert {attempt.worker for task in trace.tasks.values() for attempt in task.attempts} == {"fast", "slow"}
    assert {(attempt.number, attempt.state) for task in trace.tasks.values() for attempt in task.attempts} == {
        (1, "SUCCESS")
    }


SHOP = """\
import requests
from celery import Celery
app = Celery("shop", broker="redis://localhost:6379/0", set_as_current=False)
RETRIES = {"autoretry_for": (requests.RequestException,), "retry_backoff": False, "default_retry_delay": 40}
@app.task(**RETRIES)
def charge(key):
    requests.post("https://shop.example/charge", headers={"Idempotency-Key": key}, timeout=5).raise_for_status()
    requests.put("https://shop.example/row", timeout=5).raise_for_status()
"""
TROUBLE = """\
name: two calls go wrong
app: shop:app
fakes: {api: {url: https://shop.example, answer: {ok: true}}}
submit: [{task: charge, args: [one], times: 2}]
faults:
  - {name: lost, trouble: {kind: answer_lost, task: charge#1, endpoint: POST /charge, attempt: 1}}
  - {name: slow, trouble: {kind: slow, task: charge#2, endpoint: PUT /row, by: 10m}}
"""


@pytest.mark.parametrize(
    ("more", "effects"),
    [("", "POST /charge had its effect 2 times"), ("idempotency: [{header: Idempotency-Key}]\n", "")],
)
def test_calls_meet_trouble_and_have_their_effect_as_in_the_simulation(run, redis_url, tmp_path, more, effects):
    (tmp_path / "shop.py").write_text(SHOP)
    asked = "expect: {invariants: [{calls_have_effect_once: {endpoint: POST /charge}}]}\n"
    (tmp_path / "shop.scenario.yaml").write_text(TROUBLE + more + asked)

    ended = run("shop.scenario.yaml", *("--live", redis_url, "--scale", "10", "--compare", "--json"), folder=tmp_path)

    facts = json.loads(ended.out)
    assert facts["agrees"], facts["comparison"]
    assert facts["calls"] == {"api": {"POST /charge": {"200": 3, "reset": 1}, "PUT /row": {"200": 3}}}
    assert [one["text"].partition(": ")[2].partition(",")[0] for one in facts["violations"]] == [effects] * bool(
        effects
    ) * 2


def test_a_trouble_that_meets_no_call_is_a_fault_that_never_happened(run, redis_url, tmp_path):
    (tmp_path / "shop.py").write_text(SHOP)
    text = TROUBLE.partition("faults:")[0] + "faults: [{name: lost, trouble: {kind: reset, task: charge, nth: 3}}]\n"
    (tmp_path / "shop.scenario.yaml").write_text(text.replace("times: 2", "times: 1"))

    ended = run("shop.scenario.yaml", "--live", redis_url, "--json", folder=tmp_path)

    violations = json.loads(ended.out)["violations"]
    assert [one["text"] for one in violations] == ["'lost' never happened: it concerned 2 calls"]


def test_a_deployment_that_kills_says_so_as_in_the_simulation(run, redis_url, tmp_path):
    (tmp_path / "slow.py").write_text(
        "import time\nfrom celery import Celery\napp = Celery('slow', broker='redis://localhost:6379/0')\n"
        "@app.task\ndef work():\n    time.sleep(90)\n"
    )
    (tmp_path / "slow.scenario.yaml").write_text(
        "name: a deployment\napp: slow:app\nbroker: redis\nsubmit: [{task: work}]\n"
        "faults: [{deploy: worker-1, at: 20s}]\nexpect: {invariants: [{no_task_fails: {}}]}\n"
    )

    ended = run("slow.scenario.yaml", "--live", redis_url, "--scale", "10", "--compare", "--json", folder=tmp_path)

    facts = json.loads(ended.out)
    killed = [row for row in facts["comparison"] if row["what"].endswith(": kill worker-1")]
    assert [(row["simulated"], row["live"]) for row in killed] == [("1", "1")]
