"""The faults that only a RabbitMQ has: it closes connections, or blocks whoever publishes."""

from __future__ import annotations

import pytest
from tests.explore.conftest import HEAD

from retrysim.exploring.exploration import Budget
from retrysim.exploring.face import explore_scenario
from retrysim.scenarios import items_of, load, loads
from retrysim.simulation.player import play

pytestmark = pytest.mark.slow

RABBITMQ = HEAD.replace("broker: redis", "broker: rabbitmq")


def explored(submission, fault, *, folder=None):
    text = f"{RABBITMQ}submit: [{{{submission}}}]\n"
    items = items_of(loads(text, file="shop.scenario.yaml"))
    return explore_scenario(items, faults=(fault,), budget=Budget(jobs=2), folder=folder)


def faults_and_expectation(path):
    return path.read_text().split("faults:\n")[1]


def first_line(path):
    (outcome,) = [play(item) for item in items_of(load(path))]
    return outcome.text().splitlines()[0]


def test_a_task_that_is_acked_late_runs_again_when_the_server_closes_its_connection(tmp_path):
    exploration = explored("task: render", "connections_closed", folder=tmp_path)

    cell = exploration.matrix.cell("tests.explore.shop.render", "connections_closed")
    assert (cell.worst, cell.struck, cell.points) == ("twice", 5, 5)
    (finding,) = exploration.findings.values()
    assert finding.cause == (
        "its body runs to the end again: the message is acked when the task has ended (acks_late), so it is delivered again"
    )
    path = tmp_path / "01_render_twice.scenario.yaml"
    assert faults_and_expectation(path) == (
        "  - {name: connections_closed, close_connections: worker-1, when: {event: task-started, task: render#1, attempt: 1}}\n"
        "expect:\n"
        "  invariants:\n"
        "    - {effects_happen_once: {task: render}}\n"
    )
    assert first_line(path).startswith("effects_happen_once(task='render'): tests.explore.shop.render[")


def test_a_message_that_an_alarm_holds_up_beyond_its_time_to_expire_is_of_no_use(tmp_path):
    exploration = explored("task: quiet, times: 2, every: 10s, expires: 30s", "alarm", folder=tmp_path)

    (finding,) = exploration.findings.values()
    assert (finding.task, finding.worst) == ("tests.explore.shop.quiet", "failed")
    assert finding.cause == "it had expired or was revoked before a worker could run it"
    path = tmp_path / "01_quiet_failed.scenario.yaml"
    assert faults_and_expectation(path) == (
        "  - {name: alarm, raise_alarm: broker, for: 1m, when: {event: task-started, task: quiet#1, attempt: 1}}\n"
        "expect:\n"
        "  invariants:\n"
        "    - {no_task_fails: {task: quiet, revoked: true}}\n"
    )
    assert first_line(path).startswith("no_task_fails(task='quiet', revoked=True): tests.explore.shop.quiet[")


@pytest.mark.parametrize("fault", ["connections_closed", "alarm"])
def test_a_task_that_only_reads_survives_both(fault):
    exploration = explored("task: read", fault)

    assert exploration.findings == {}
    assert exploration.errors == []
    assert exploration.matrix.cell("tests.explore.shop.read", fault).points == 5


@pytest.mark.parametrize("fault", ["connections_closed", "alarm"])
def test_what_needs_a_rabbitmq_is_left_out_on_redis(fault):
    text = f"{HEAD}submit: [{{task: quiet}}]\n"
    items = items_of(loads(text, file="shop.scenario.yaml"))
    exploration = explore_scenario(items, faults=(fault, "message_doubled"), budget=Budget(jobs=2), folder=None)

    assert exploration.left_out == {fault: "needs RabbitMQ: write broker: rabbitmq"}
    assert exploration.matrix.cell("tests.explore.shop.quiet", fault) is None
