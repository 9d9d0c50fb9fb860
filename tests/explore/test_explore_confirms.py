"""What is reported fails again when its file is played alone, and what does not is no finding."""

from __future__ import annotations

import pytest
from tests.explore.conftest import items

from retrysim.durations import MINUTE
from retrysim.exploring import settle
from retrysim.exploring.causes import cause_of
from retrysim.exploring.found import scenario_values
from retrysim.exploring.outcome import Harm
from retrysim.exploring.subject import subject_of
from retrysim.exploring.surroundings import AppSettings
from retrysim.exploring.text import report_lines
from retrysim.exploring.trial import TaskFacts, Trial, TrialResult
from retrysim.scenarios import items_of, load
from retrysim.simulation.player import play

pytestmark = pytest.mark.slow

AROUND = AppSettings(
    broker="redis",
    pools={"worker-1": "prefork"},
    soft_shutdown=False,
    patience_ns=60 * MINUTE,
    acks_late={"shop.push": False},
    rejects_on_loss={"shop.push": False},
)


def test_the_file_of_a_task_that_expires_fails_for_that(explored, tmp_path):
    exploration = explored("submit: [{task: quiet, expires: 2m}]\n", "message_delayed")

    (finding,) = exploration.worst_first
    assert (finding.worst, finding.cause) == (
        "failed", "it had expired or was revoked before a worker could run it",
    )  # fmt: skip
    assert exploration.unconfirmed == []
    outcome = play(items_of(load(tmp_path / "found" / "01_quiet_failed.scenario.yaml"))[0])
    assert outcome.findings[0].invariant == "no_task_fails(task='quiet', revoked=True)"


def test_what_does_not_happen_again_is_no_finding_and_the_report_says_so(explored, tmp_path, monkeypatch):
    monkeypatch.setattr(settle, "_fails", lambda _subject, _file, _text: False)

    exploration = explored("submit: [{task: quiet}]\n", "message_doubled")

    assert exploration.new == []
    assert list((tmp_path / "found").glob("*")) == []
    assert list(report_lines("shop", exploration))[-2:] == [
        "not a finding, because it did not happen again when played alone (please report this): "
        "quiet has its effect twice: message doubled at quiet#1, after it was sent",
        "0 findings",
    ]


def facts(sent_min, settled_min):
    return TaskFacts(
        name="tests.explore.shop.quiet",
        state="SUCCESS",
        sent_ns=sent_min * MINUTE,
        settled_ns=settled_min * MINUTE,
        successes=1,
        attempts=1,
    )


@pytest.mark.parametrize(
    ("harm", "invariant"),
    [
        (
            {"worst": "late", "late_ns": 9 * MINUTE},
            {"tasks_settle_within": {"task": "quiet#2", "within": "8m"}},
        ),
        ({"worst": "failed", "detail": "terminated"}, {"no_task_fails": {"task": "quiet", "revoked": True}}),
        ({"worst": "lost", "detail": "it was never sent"}, {"every_task_settles": {"task": "quiet#2"}}),
        ({"worst": "lost", "detail": "its message is gone"}, {"every_task_settles": {"task": "quiet"}}),
    ],
)
def test_among_tasks_of_one_name_the_file_asks_of_the_one_that_came_to_harm(harm, invariant):
    subject = subject_of(items("submit: [{task: quiet, times: 2}]\n"), None, None)
    base = TrialResult(tasks={"quiet#1": facts(0, 60), "quiet#2": facts(0, 1)})

    values = scenario_values(subject, Trial(), Harm(label="quiet#2", task="tests.explore.shop.quiet", **harm), base)

    assert values["expect"]["invariants"] == [invariant]


def test_a_task_that_was_not_sent_because_another_is_lost_is_in_the_matrix_and_no_finding(explored):
    exploration = explored("submit: [{task: hand_on}]\n", "worker_killed", writes=False)

    assert exploration.matrix.cell("tests.explore.shop.quiet", "worker_killed").worst == "lost"
    assert [(one.task, one.worst) for one in exploration.worst_first if "never" in one.harm.detail] == []
    cause = "its message was acked when the task began (task_acks_late is off)"
    assert ("tests.explore.shop.hand_on", cause) in [(one.task, one.cause) for one in exploration.worst_first]


@pytest.mark.parametrize(
    ("worst", "detail", "kind", "cause"),
    [
        (
            "failed",
            "Reject: (OperationalError('Error 111 connecting to simulation:6379. Connection refused.'), False)",
            "partition",
            "the message of its retry cannot be published, and Celery rejects the task instead (Task.retry)",
        ),
        ("failed", "Reject: ('poison', False)", "partition", "it raises Reject, and gives up"),
        (
            "lost",
            "worker-1 ran attempt 2 of it when it died at 00:00:05",
            "broker_restarted",
            "a worker ran an attempt of it when it died",
        ),
        (
            "failed",
            "terminated",
            "cold_stop",
            "its pool process was terminated, and Celery takes the task for revoked",
        ),
        ("twice", "POST /mail", "worker_killed", "POST /mail is called again, by another task"),
    ],
)
def test_a_reason_reads_as_a_sentence_without_what_differs_from_run_to_run(worst, detail, kind, cause):
    harm = Harm(label="push#1", task="shop.push", worst=worst, detail=detail, times=1)

    assert cause_of(harm, [kind], AROUND) == cause
