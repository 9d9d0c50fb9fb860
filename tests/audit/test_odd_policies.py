"""Policies that lead into other queues, and tasks whose own code raises when it is read."""

import pytest

from retrysim.audit import audit
from retrysim.audit.finding import FindingKind

MINUTE = 60 * 1_000_000_000


@pytest.fixture(scope="module")
def audited():
    names = ["tests.audit.audited_oddly." + name for name in ("into_another_queue", "by_its_arguments", "unreadable")]
    report = audit("tests.audit.audited_oddly:app", tasks=names, jobs=1)
    return {task.name.rpartition(".")[2]: task for task in report.tasks}


@pytest.mark.parametrize("name", ["into_another_queue", "by_its_arguments"])
def test_a_retry_into_another_queue_is_heard(audited, name):
    [row] = audited[name].rows

    assert [chain.attempts_ns for chain in row.coverage.chains] == [(0, MINUTE, 2 * MINUTE)]


def test_a_task_that_cannot_be_read_does_not_end_the_audit(audited):
    task = audited["unreadable"]

    assert [(one.kind, one.text) for one in task.findings] == [
        (FindingKind.NOT_PLAYED, "could not be read: LookupError: no settings")
    ]
    assert task.rows == ()
