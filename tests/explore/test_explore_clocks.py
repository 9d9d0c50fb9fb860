"""What a clock that is ahead or behind does to a task, and that what is written down fails when it is played."""

from __future__ import annotations

import pytest

from retrysim.scenarios import items_of, load
from retrysim.simulation.player import play

pytestmark = pytest.mark.slow

TWO = "workers: {count: 2, concurrency: 1}\n"


def told(exploration):
    return [(finding.task.rpartition(".")[2], finding.worst, finding.cause) for finding in exploration.worst_first]


LATE = ("late", "its ETA was computed by one clock, and is obeyed by another")
REVOKED = ("failed", "it had expired or was revoked before a worker could run it")
TWICE = (
    "twice",
    "its body runs to the end again: by another clock its message has been unacked for longer than the visibility timeout",
)


def test_a_retry_that_another_worker_receives_comes_late_and_the_file_fails_in_the_same_way(explored, tmp_path):
    exploration = explored(f"submit: [{{task: push_later}}]\n{TWO}", "clock_skew")

    assert ("push_later", *LATE) in told(exploration)
    (path,) = (tmp_path / "found").glob("*_push_later_late.scenario.yaml")
    assert path.read_text().split("submit:")[1] == (
        "\n"
        "  - {task: push_later}\n"
        "faults:\n"
        "  - {name: clock_skew, skew_clock: worker-1, by: 10m, when: {event: task-started, task: push_later#1, attempt: 1}}\n"
        "expect:\n"
        "  invariants:\n"
        "    - {tasks_settle_within: {task: push_later, within: 8m}}\n"
    )
    (outcome,) = [play(item) for item in items_of(load(path))]
    assert outcome.text().splitlines()[0].endswith("took 11m, expected at most 8m")


@pytest.mark.parametrize(("task", "found"), [("use_soon", REVOKED), ("render", TWICE), ("push", None), ("quiet", None)])
def test_what_a_clock_does_to_a_task(explored, task, found):
    exploration = explored(f"submit: [{{task: {task}}}]\n{TWO}", "clock_skew", writes=False)

    mine = [(worst, cause) for _, worst, cause in told(exploration)]
    assert exploration.errors == []
    assert (found in mine) if found else mine == []


def test_a_clock_is_tried_ahead_behind_and_beyond_the_visibility_timeout(explored):
    exploration = explored(f"submit: [{{task: quiet}}]\n{TWO}", "clock_skew", writes=False)

    assert exploration.matrix.cell("tests.explore.shop.quiet", "clock_skew").points == 12  # 2 workers, 2 points
