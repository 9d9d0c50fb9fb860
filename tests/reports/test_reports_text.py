"""What is printed: figures, stories, the terminal report, the timeline, and where two runs part."""

import dataclasses
import re
from pathlib import Path

import pytest
import runs

from retrysim.durations import MINUTE, SECOND
from retrysim.errors import InputError
from retrysim.reports import difference_text, selected, terminal_report, timeline
from retrysim.reports.comparison import difference
from retrysim.reports.figures import figures_by_name, length_ns, worst
from retrysim.reports.story import stories_of
from retrysim.trace import ApiCalled, Trace, WorkerReady

GOLDEN = Path(__file__).parent / "golden"
NOON = runs.NOON


def without_colours(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# -- figures -----------------------------------------------------------------------------------------------------------


def test_figures_are_counted_by_task_name(refused_and_retried):
    figures = figures_by_name(refused_and_retried)

    [(name, row)] = figures.items()
    assert name == "proj.tasks.fetch"
    assert (row.submitted, row.succeeded, row.failed, row.lost, row.retried, row.attempts) == (5, 4, 1, 0, 2, 7)
    assert (row.p50_ns, row.p99_ns) == (0, 15 * MINUTE)


def test_a_task_that_nobody_holds_is_counted_as_lost(killed):
    row = figures_by_name(killed)[runs.FETCH]

    assert (row.submitted, row.succeeded, row.lost, row.pending) == (2, 1, 1, 0)


def test_the_worst_is_lost_before_it_failed_before_it_took_long(refused_and_retried, killed):
    together = Trace(start_ns=NOON, events=sorted([*refused_and_retried, *killed], key=lambda event: event.at_ns))

    assert [task.timeline for task in worst(together, 4)] == [
        "STARTED",
        "RETRY 15m FAILURE",
        "RETRY 15m SUCCESS",
        "3s SUCCESS",
    ]


def test_a_run_is_as_long_as_its_last_task_or_goes_on_to_its_end_for_a_lost_one(refused_and_retried, killed):
    assert length_ns(refused_and_retried) == 15 * MINUTE
    assert length_ns(killed) == 3 * SECOND
    assert length_ns(Trace()) == 0


# -- stories -----------------------------------------------------------------------------------------------------------


def test_the_story_of_a_task_has_its_calls_in_order(refused_and_retried):
    story = stories_of(refused_and_retried)["eeeeeeee-0000"]

    assert [((line.at_ns - NOON) // MINUTE, line.mark, line.text) for line in story] == [
        (0, "sent", "to queue celery"),
        (0, "received", "by worker-1"),
        (0, "started", "attempt 1 on worker-1"),
        (0, "refused", "429  twitter  GET /timeline, 0 of 3 left, opens 12:15:00"),
        (0, "sent", "to queue celery, retry 1, not before 12:15:00"),
        (0, "RETRY", "due 12:15:00 (in 15m): TooMany: 429"),
        (0, "received", "by worker-1"),
        (15, "started", "attempt 2 on worker-1"),
        (15, "call", "200  twitter  GET /timeline, 1 of 3 left"),
        (15, "FAILURE", "ValueError: no"),
    ]
    assert story[-1].detail.startswith("Traceback (most recent call last):")


def test_the_story_of_a_lost_task_ends_with_why(killed):
    story = stories_of(killed)["lost-1"]

    assert (story[-1].mark, story[-1].text) == (
        "lost",
        "worker-1 ran attempt 1 of it when it was killed at 12:00:02; nobody has its message any more",
    )


# -- the terminal ------------------------------------------------------------------------------------------------------


def test_the_terminal_report_is_the_stored_one(refused_and_retried):
    text = without_colours(terminal_report(refused_and_retried))

    assert text == (GOLDEN / "refused_and_retried.txt").read_text(encoding="utf-8")


def test_the_terminal_report_of_a_lost_task_is_the_stored_one(killed):
    text = without_colours(terminal_report(killed))

    assert text == (GOLDEN / "killed.txt").read_text(encoding="utf-8")


def test_the_terminal_report_fits_80_columns():
    run = runs.Run("a_package.with_a_long_name.tasks.synchronise_everything_with_the_other_system")
    for second in range(40):
        run.at = NOON + second * 7_654_321_987
        run.sent(f"task-{second}")
        run.started(f"task-{second}")
        run.called(f"task-{second}", 429, limit=2, reset_ns=run.at - run.at % SECOND + SECOND)
        run.failed(f"task-{second}", "ValueError: " + "long " * 50)
    run.ended()

    lines = without_colours(terminal_report(run.trace)).splitlines()

    assert max(map(len, lines)) <= 80
    assert lines[0].endswith("submitted succeeded failed lost retried attempts p50 p99")
    assert lines[1].startswith("synchronise_everything…")


def test_a_run_without_tasks_has_a_report():
    assert without_colours(terminal_report(Trace())).split() == [
        "task", "submitted", "succeeded", "failed", "lost", "retried", "attempts", "p50", "p99",
    ]  # fmt: skip


def test_the_timeline_counts_events_that_are_alike(refused_and_retried):
    text = "\n".join(timeline(refused_and_retried)) + "\n"

    assert text == (GOLDEN / "timeline.txt").read_text(encoding="utf-8")


def test_the_timeline_has_a_line_for_each_event_if_asked(refused_and_retried):
    lines = list(timeline(refused_and_retried, each=True))

    assert len(lines) == len(refused_and_retried)
    assert lines[2] == " " * 24 + "sent      fetch[bbbbbbbb]  to queue celery"


# -- a part of a run ---------------------------------------------------------------------------------------------------


def test_a_task_is_selected_by_name_or_the_begin_of_its_id(refused_and_retried):
    assert list(selected(refused_and_retried, tasks=["eeee"]).tasks) == ["eeeeeeee-0000"]
    assert len(selected(refused_and_retried, tasks=["fetch"]).tasks) == 5
    assert len(selected(refused_and_retried, tasks=["eeee"]).of(ApiCalled)) == 2


def test_tasks_are_selected_by_the_worker_that_had_them(killed):
    part = selected(killed, workers=["worker-2"])

    assert list(part.tasks) == ["fine-2"]
    assert [ready.worker for ready in part.of(WorkerReady)] == ["worker-2"]


def test_tasks_are_selected_by_the_fake_that_they_called(refused_and_retried):
    assert list(selected(refused_and_retried, fakes=["twitter"])) == list(refused_and_retried)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"tasks": ["fetsch"]}, "no task 'fetsch' in this trace; did you mean 'fetch'?"),
        ({"workers": ["w"]}, "no worker 'w' in this trace (it has worker-1)"),
        ({"fakes": ["crm"]}, "no fake 'crm' in this trace (it has twitter)"),
    ],
)
def test_a_name_that_the_trace_does_not_have_is_an_error(refused_and_retried, wanted, message):
    with pytest.raises(InputError) as raised:
        selected(refused_and_retried, **wanted)

    assert str(raised.value) == message


# -- two runs ----------------------------------------------------------------------------------------------------------


def renamed(trace, old, new):
    events = [
        dataclasses.replace(event, task_id=event.task_id.replace(old, new))
        if getattr(event, "task_id", None)
        else event
        for event in trace
    ]
    return Trace(seed=8, start_ns=trace.start_ns, events=events)


def test_runs_that_differ_in_task_ids_only_are_the_same(refused_and_retried):
    other = renamed(refused_and_retried, "0000", "1111")

    assert difference(refused_and_retried, other) is None
    assert difference_text(refused_and_retried, other, ("a", "b")) == "the same happened in both: 38 events"


def test_the_first_event_that_differs_is_told(refused_and_retried):
    events = list(refused_and_retried)
    position = next(i for i, event in enumerate(events) if event.at_ns > NOON)
    events[position] = dataclasses.replace(events[position], at_ns=NOON + 14 * MINUTE)
    other = Trace(start_ns=NOON, events=events[: position + 1])

    assert difference_text(refused_and_retried, other, ("before", "after")) == (
        "the runs part after 30 equal events\n"
        "  both  12:00:00  +0s  received  fetch[eeeeeeee]  by worker-1\n"
        "  A     12:15:00  +15m  started  fetch[dddddddd]  attempt 2 on worker-1\n"
        "  B     12:14:00  +14m  started  fetch[dddddddd]  attempt 2 on worker-1\n"
        "\n"
        "  A is before\n"
        "  B is after\n"
        "\n"
        "                     A         B\n"
        "  succeeded          4         3\n"
        "  failed             1         0\n"
        "  pending            0         2\n"
        "  attempts           7         6\n"
        "  p99              15m        0s\n"
        "  virtual          15m        0s"
    )


def test_a_run_that_goes_on_differs_from_one_that_stopped(refused_and_retried):
    shorter = Trace(start_ns=NOON, events=list(refused_and_retried)[:-1])

    parted = difference(refused_and_retried, shorter)

    assert (parted.equal, parted.left.how, parted.right) == (37, "warm", None)
