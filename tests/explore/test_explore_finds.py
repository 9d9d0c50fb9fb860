"""What is found in small apps, what is not, and that what is written down fails when it is played."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.explore.conftest import items

from retrysim.errors import InputError
from retrysim.exploring.exploration import Budget
from retrysim.exploring.face import explore_scenario
from retrysim.exploring.subject import subject_of
from retrysim.scenarios import items_of, load, loads
from retrysim.simulation.player import play

pytestmark = pytest.mark.slow

ONE = "submit: [{task: push}]\n"


def told(exploration):
    return [(finding.task.rpartition(".")[2], finding.worst, finding.cause) for finding in exploration.worst_first]


def test_an_early_acked_task_is_lost_with_its_worker_and_the_file_fails_in_the_same_way(explored, tmp_path):
    exploration = explored("submit: [{task: slow, times: 2}]\nworkers: {count: 2}\n", "deploy")

    cause = "its message was acked when the task began (task_acks_late is off)"
    assert ("slow", "lost", cause) in told(exploration)
    path = next(path for path in sorted((tmp_path / "found").iterdir()) if cause in path.read_text())
    text = path.read_text()
    assert text.splitlines()[:2] == [
        "# found by retrysim explore in shop.scenario.yaml (shrunk from 2 submissions)",
        "# why: its message was acked when the task began (task_acks_late is off)",
    ]
    assert "  - {task: slow}\n" in text
    assert "workers: {count: 1, concurrency: 1}\n" in text
    outcome = play(items_of(load(path))[0])
    assert next(finding.invariant for finding in outcome.findings).startswith("every_task_settles")


def test_what_a_body_does_before_its_call_is_done_where_its_worker_dies_before_the_call_arrives(explored, tmp_path):
    exploration = explored("submit: [{task: note_then_push}]\n", "worker_killed", "killed_before_call")

    cause = "it ends in SUCCESS, though POST /contacts has not had its effect"
    assert ("note_then_push", "lost", cause) in told(exploration)
    (path,) = (path for path in (tmp_path / "found").iterdir() if cause in path.read_text())
    assert "killed before call at note_then_push#1, attempt 1, before POST /contacts" in path.read_text()
    outcome = play(items_of(load(path))[0])
    assert outcome.findings[0].invariant.startswith("calls_have_effect_once(task='note_then_push'")


def test_a_task_that_calls_again_when_its_worker_died_before_the_call_arrives_is_only_late(explored):
    exploration = explored("submit: [{task: note_then_push, kwargs: {fixed: true}}]\n", "killed_before_call")

    assert [(worst, task) for task, worst, _ in told(exploration)] == [("late", "note_then_push")]


@pytest.fixture(scope="module")
def shop():
    """Four tasks under six kinds of fault."""
    text = "submit: [{task: push}, {task: swallow, at: 1m}, {task: read, at: 2m}, {task: quiet, at: 3m}]\n"
    kinds = ("child_killed", "answer_lost", "message_doubled", "message_delayed", "api_5xx", "api_refused")
    return explore_scenario(items(text), faults=kinds, budget=Budget(jobs=2), folder=None)


TWICE = "for nothing tells a second copy of the message from the first"


@pytest.mark.parametrize(
    ("task", "fault", "worst", "cause"),
    [
        ("push", "child_killed", "failed", "Celery fails a task whose pool process dies (task_reject_on_worker_lost is off)"),
        ("push", "answer_lost", "twice", "POST /contacts is called again, though the first call had its effect"),
        ("push", "message_doubled", "twice", f"POST /contacts is called again, {TWICE}"),
        ("push", "api_5xx", "ok", None),
        ("swallow", "api_5xx", "lost", "it ends in SUCCESS, though POST /contacts has not had its effect"),
        ("swallow", "api_refused", "failed", "it raises ConnectionError, and gives up"),
        ("read", "answer_lost", "ok", None),
        ("read", "child_killed", "ok", None),
        ("quiet", "message_doubled", "twice", f"its body runs to the end again, {TWICE}"),
        ("quiet", "message_delayed", "ok", None),
    ],
)  # fmt: skip
def test_what_one_kind_of_fault_does_to_one_task(shop, task, fault, worst, cause):
    cell = shop.matrix.cell(f"tests.explore.shop.{task}", fault)

    assert cell.worst == worst
    assert shop.errors == []
    assert {one.cause for one in shop.findings.values() if one.task == cell.task and fault in one.kinds} == (
        {cause} if cause else set()
    )


def test_a_finding_is_shown_where_a_body_runs_and_not_by_a_message_on_its_way(explored):
    exploration = explored("submit: [{task: read}]\n", "worker_killed", writes=False)

    (late,) = [one for one in exploration.findings.values() if one.worst == "late"]
    assert late.trial.strikes[0].point == "read#1, attempt 1, when it starts"


def test_a_kind_that_strikes_calls_has_no_cell_for_a_task_that_calls_nobody(shop):
    assert shop.matrix.cell("tests.explore.shop.quiet", "answer_lost") is None


def test_what_the_scenario_accepts_is_not_new_and_writes_no_file(explored, tmp_path):
    exploration = explored(ONE + "accept: [{twice: push, fault: message_doubled}]\n", "message_doubled")

    assert [finding.accepted for finding in exploration.findings.values()] == [True]
    assert exploration.new == []
    assert not (tmp_path / "found").exists()


def test_files_of_an_earlier_exploration_of_the_scenario_are_replaced_and_others_kept(explored, tmp_path):
    folder = tmp_path / "found"
    folder.mkdir()
    (folder / "09_old_lost.scenario.yaml").write_text("# found by retrysim explore in shop.scenario.yaml (shrunk)\n")
    (folder / "01_other_lost.scenario.yaml").write_text("# found by retrysim explore in other.scenario.yaml (shrunk)\n")

    explored(ONE, "message_doubled")

    assert sorted(path.name for path in folder.iterdir()) == [
        "01_other_lost.scenario.yaml", "01_push_twice.scenario.yaml",
    ]  # fmt: skip


def test_the_same_is_found_whatever_the_number_of_processes(explored, tmp_path):
    text = "submit: [{task: quiet, times: 2}]\n"
    kinds = ("child_killed", "message_doubled")

    one, cells = explored(text, *kinds, jobs=1), []
    files = {path.name: path.read_text() for path in (tmp_path / "found").iterdir()}
    three = explored(text, *kinds, jobs=3)

    for exploration in (one, three):
        cells.append([cell.as_json() for cell in exploration.matrix.cells.values()])
    assert cells[0] == cells[1]
    assert told(one) == told(three)
    assert files == {path.name: path.read_text() for path in (tmp_path / "found").iterdir()}


@pytest.mark.parametrize(
    ("text", "faults", "message"),
    [
        (
            ONE + "faults: [{drop: {task: push}}]\n",
            ("worker_killed",),
            r"the scenario fails without any fault, so nothing was explored:\n"
            r"  every_task_settles: tests.explore.shop.push\[.{8}\] did not settle: it is PENDING and will stay so: its .*",
        ),
        (
            ONE,
            ("power_cut",),
            r"no kind of fault 'power_cut' \(there are worker_killed, killed_before_call, child_killed, .*",
        ),
        (ONE, ("worker_kiled",), r"no kind of fault 'worker_kiled'; did you mean 'worker_killed'\? .*"),
        (
            ONE + "celery: eager\n",
            (),
            r"shop.scenario.yaml:6:9: celery: explore needs a worker, for that is what breaks, "
            r"and every item of this scenario is eager",
        ),
        (
            "submit: [{task: quiet}]\n",
            ("answer_lost",),
            r"there is no point at which any of these kinds of fault can strike; nothing to explore",
        ),
    ],
)
def test_a_scenario_that_shows_nothing_is_one_clear_error(explored, text, faults, message):
    with pytest.raises(InputError) as caught:
        explored(text, *faults)

    assert re.fullmatch(message, str(caught.value))


def test_an_item_that_there_is_not_is_one_clear_error(explored):
    with pytest.raises(InputError) as caught:
        explored(ONE + "workers: {count: [1, 2]}\n", "message_doubled", wanted="worker-3")

    assert str(caught.value) == (
        "shop.scenario.yaml has no item 'worker-3' that a worker runs (there is worker-1x1, worker-2x1)"
    )


def test_an_item_that_runs_eagerly_has_no_worker_to_break():
    assert [item.celery for item in items(ONE + "celery: [eager, worker]\n")] == ["eager", "worker"]


def test_a_trial_has_the_database_that_the_tag_django_db_means():
    subject = subject_of(items(f"tags: [django_db]\n{ONE}"), None, None)

    assert subject.values["database"] == "test"


def test_a_trial_names_the_broker_that_only_the_settings_of_the_app_name():
    text = f"name: a shop\napp: tests.explore.shop:app\n{ONE}"
    subject = subject_of(items_of(loads(text, file="shop.scenario.yaml")), None, None)

    assert replace(subject, server="redis").values["broker"] == "redis"
