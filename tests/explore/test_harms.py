"""What is worse than in the run without a fault, and what is only different."""

import pytest

from retrysim.exploring.outcome import harms_of
from retrysim.exploring.trial import TaskFacts, TrialResult


def run(**calls):
    """A run in which each task ends in SUCCESS and has called ``POST /mail`` so often."""
    return TrialResult(
        tasks={
            task: TaskFacts(
                name=task, state="SUCCESS", sent_ns=0, settled_ns=1, successes=1, attempts=1,
                effects={"POST /mail": count} if count else {}, silent=not count,
            )
            for task, count in calls.items()
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "now", "harms"),
    [
        ({"first": 1, "second": 0}, {"first": 0, "second": 1}, set()),
        ({"first": 1, "second": 0}, {"first": 1, "second": 1}, {("second", "twice")}),
        ({"first": 1, "second": 0}, {"first": 0, "second": 0}, {("first", "lost")}),
        ({"first": 1, "second": 1}, {"first": 0, "second": 2}, {("first", "lost"), ("second", "twice")}),
        ({"first": 1, "second": 1, "third": 0}, {"first": 0, "second": 0, "third": 1}, {
            ("first", "lost"), ("second", "lost"), ("third", "twice"),
        }),
    ],
)  # fmt: skip
def test_a_call_that_another_task_makes_instead_is_neither_lost_nor_doubled(before, now, harms):
    found = harms_of(run(**now), run(**before))

    assert {(harm.task, harm.worst) for harm in found} == harms
