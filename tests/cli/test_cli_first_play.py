"""What ``retrysim new`` writes: the task is played until its hosts are served, and nothing real is touched."""

from __future__ import annotations

import sys

import pytest

from retrysim.celery import imports
from retrysim.cli.apps_here import apps_in

APP = """
import logging, os
import redis, requests
from celery import Celery

app = Celery("first", broker="redis://nowhere.invalid/0", set_as_current=False)
HOST = os.environ.get("NO_HOST", "crm.example")


@app.task(name="first.push", bind=True)
def push(self, number):
    print("pushing", number)
    logging.getLogger("first").error("pushing %s", number)
    response = requests.post(f"https://{HOST}/orders", json={"id": number})
    requests.get(f"http://status.{HOST}:8080/")
    if response.status_code == 429:
        raise self.retry(countdown=int(response.headers["Retry-After"]))


@app.task(name="first.fails", bind=True)
def fails(self, number):
    raise self.retry(exc=ValueError(f"no {number}"), max_retries=0)


@app.task(name="first.adds")
def adds(number):
    return number + 1


@app.task(name="first.reads")
def reads(number):
    return requests.get("https://crm.example/orders").json()["number"]

@app.task(name="first.removes")
def removes(number):
    os.remove("precious")


@app.task(name="first.locks")
def locks(number):
    with redis.Redis(host="cache.internal").lock(f"order-{number}", timeout=30):
        requests.post("https://crm.example/orders").raise_for_status()


def tasks_of(app):
    @app.task(name="first.inner")
    def made_inside(number):
        return number + 1


tasks_of(app)
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    (tmp_path / "first_tasks.py").write_text(APP)
    (tmp_path / "precious").write_text("precious")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "first_tasks", raising=False)
    monkeypatch.delitem(imports._imports(), "first_tasks", raising=False)
    return tmp_path


def written(retrysim, folder, task):
    ended = retrysim("new", task, "--app", "first_tasks")
    assert (ended.code, ended.err) == (0, "")
    scenario = (folder / f"scenarios/{task}.scenario.yaml").read_text()
    test = (folder / f"test_{task}_retries.py").read_text()
    return ended.out.splitlines(), scenario, test


def test_hosts_that_only_a_play_shows_are_served_and_nothing_of_the_play_is_printed(retrysim, shop):
    lines, scenario, test = written(retrysim, shop, "push")

    assert lines[0] == "first.push of first_tasks: 8 succeeded, 3 retried in 1m of virtual time"
    assert lines[1].startswith("wrote scenarios/push.scenario.yaml")
    assert '  crm_example: {url: https://crm.example, limit: "5 per minute"}\n' in scenario
    assert '  status_crm_example_8080: {url: http://status.crm.example:8080, limit: "5 per minute"}\n' in scenario
    assert "states: {SUCCESS: 8}" in scenario
    assert 'sim.serve(API("http' in test
    assert test.endswith("    sim.check()\n")


def test_the_reason_of_a_failure_is_next_to_what_is_expected(retrysim, shop):
    lines, scenario, test = written(retrysim, shop, "fails")

    assert lines[1] == "why: ValueError: no 1"
    assert scenario.endswith(
        "  states: {FAILURE: 8}  # what it did; say what it should do\n  # why: ValueError: no 1\n"
    )
    assert test.endswith("    # why: ValueError: no 1\n    # sim.check() says what is wrong with it\n")


def test_of_a_task_that_fails_on_what_a_fake_answers_the_answer_is_named(retrysim, shop):
    lines, scenario, test = written(retrysim, shop, "reads")

    answer = 'its fake answers {"ok": true} to every call, unless you give it an `answer`'
    assert lines[1:3] == ["why: KeyError: 'number'", f"     {answer}"]
    assert scenario.endswith(f"\n  # why: KeyError: 'number'\n  #      {answer}\n")
    assert f"\n    # why: KeyError: 'number'\n    #      {answer}\n" in test


def test_a_task_that_calls_no_api_is_said_to_call_none(retrysim, shop):
    lines, scenario, test = written(retrysim, shop, "adds")

    why = "it called no API, so nothing was refused or retried"
    assert lines[1] == f"why: {why}"
    assert scenario.endswith(f"  # why: {why}\n")
    assert test.endswith(f"    # why: {why}\n    sim.check()\n")


def test_a_body_with_guessed_arguments_changes_no_file_nor_does_what_is_written(retrysim, shop):
    lines, scenario, test = written(retrysim, shop, "removes")

    assert lines[1].startswith("why: RealFile: a task changes a real file: ")
    remark = "# with guessed arguments it may change no real file"
    assert f"\nfiles: scratch  {remark}\n" in scenario
    assert f'\n\n@pytest.mark.retrysim(files="scratch")  {remark}\ndef test_removes_loses_nothing(sim):\n' in test
    assert retrysim("run", "scenarios/removes.scenario.yaml").code == 0
    assert (shop / "precious").read_text() == "precious"


def test_a_task_that_takes_a_lock_in_redis_gets_the_simulated_one(retrysim, shop):
    lines, scenario, test = written(retrysim, shop, "locks")

    assert lines[1].startswith("why: HTTPError: 429 Client Error")  # it came as far as the limit of the API
    assert "\nredis: true\n" in scenario
    assert "\n\n@pytest.mark.retrysim(redis=True)\ndef test_locks_loses_nothing(sim):\n" in test
    assert retrysim("run", "scenarios/locks.scenario.yaml").code == 0


def test_a_task_that_is_made_in_a_function_is_got_from_its_app(retrysim, shop):
    _, _, test = written(retrysim, shop, "inner")

    assert "\nfrom first_tasks import app\n" in test
    assert '        app.tasks["first.inner"].delay(number=1)\n' in test


FLASK = """
from celery import Celery
from flask_app import create_app

celery_app = create_app().extensions["celery"]
"""


def test_an_app_that_a_factory_made_is_found_where_no_module_makes_one(tmp_path):
    (tmp_path / "flask_app.py").write_text("def create_app():\n    celery = Celery('shop')\n")
    (tmp_path / "make_celery.py").write_text(FLASK)
    assert apps_in(tmp_path) == ["make_celery:celery_app"]

    (tmp_path / "worker.py").write_text("app = Celery('shop')\n")
    assert apps_in(tmp_path) == ["worker:app"]


def test_all_apps_of_a_module_are_found_in_their_order(tmp_path):
    (tmp_path / "two.py").write_text("second = Celery('a')\nfirst: Celery = celery.Celery('b')\n")

    assert apps_in(tmp_path) == ["two:second", "two:first"]
