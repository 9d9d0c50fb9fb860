"""Where things stand in a drawing: lanes, the folded axis, depth, windows."""

import runs

from retrysim.clock import time_of_day
from retrysim.durations import MILLISECOND, MINUTE, SECOND
from retrysim.reports.depth import depths_of
from retrysim.reports.lanes import Lane, LanePosition, lanes_of
from retrysim.reports.scale import scale_of
from retrysim.reports.ticks import ticks
from retrysim.reports.windows import limit_uses
from retrysim.reports.words import about

NOON = runs.NOON


def drawn(bars):
    return [(bar.lane, bar.task_id[:4], bar.attempt, bar.state) for bar in bars]


def test_an_attempt_runs_in_the_slot_that_was_free_the_longest(refused_and_retried):
    lanes = lanes_of(refused_and_retried)

    assert lanes.lanes == [Lane("worker-1", 1), Lane("worker-1", 2)]
    assert drawn(lanes.bars) == [
        (0, "aaaa", 1, "SUCCESS"),
        (0, "cccc", 1, "SUCCESS"),
        (0, "eeee", 1, "RETRY"),
        (0, "eeee", 2, "FAILURE"),
        (1, "bbbb", 1, "SUCCESS"),
        (1, "dddd", 1, "RETRY"),
        (1, "dddd", 2, "SUCCESS"),
    ]


def test_attempts_of_one_instant_stand_in_columns_side_by_side(refused_and_retried):
    lanes = lanes_of(refused_and_retried)

    assert [(bar.start, bar.end) for bar in lanes.bars[:3]] == [
        (LanePosition(NOON, 0), LanePosition(NOON, 1)),
        (LanePosition(NOON, 1), LanePosition(NOON, 2)),
        (LanePosition(NOON, 2), LanePosition(NOON, 3)),
    ]
    assert lanes.columns == {NOON: 3, NOON + 15 * MINUTE: 1}


def test_an_attempt_ends_with_the_worker_that_is_killed(killed):
    lanes = lanes_of(killed)

    assert drawn(lanes.bars) == [(0, "lost", 1, "KILLED"), (1, "fine", 1, "SUCCESS")]
    assert lanes.bars[0].end == LanePosition(NOON + 2 * SECOND)


def test_of_copies_in_several_slots_each_ends_as_itself():
    run = runs.Run()
    run.ready()
    run.started("a")
    run.at += SECOND
    run.started("a", attempt=2)
    run.at += SECOND
    run.succeeded("a", attempt=2)
    run.at += SECOND
    run.succeeded("a", attempt=1)

    ends = [(bar.attempt, (bar.end.at_ns - NOON) // SECOND) for bar in lanes_of(run.trace).bars]

    assert ends == [(1, 3), (2, 2)]


def test_of_calls_inside_calls_the_innermost_ends_first():
    run = runs.Run()
    run.started("a", worker="eager")
    run.started("a", attempt=2, worker="eager")
    run.failed("a")
    run.retried("a", NOON, attempt=1)

    assert drawn(lanes_of(run.trace).bars) == [(0, "a", 1, "RETRY"), (1, "a", 2, "FAILURE")]


def test_an_attempt_ends_with_its_pool_process():
    run = runs.Run()
    run.ready()
    run.started("a")
    run.fault("kill_child", "worker-1")
    run.received("a")
    run.started("a", attempt=2)
    run.at += SECOND
    run.succeeded("a")

    assert drawn(lanes_of(run.trace).bars) == [(0, "a", 1, "KILLED"), (1, "a", 2, "SUCCESS")]


def test_an_attempt_that_has_not_ended_runs_to_the_end():
    run = runs.Run()
    run.started("a")
    run.at += SECOND
    run.sent("b")

    [bar] = lanes_of(run.trace).bars

    assert (bar.state, bar.end) == ("RUNNING", LanePosition(NOON + SECOND))


def test_more_attempts_at_once_than_slots_get_lanes_of_their_own():
    run = runs.Run()
    run.started("a", worker="eager")
    run.started("b", worker="eager")

    assert lanes_of(run.trace).lanes == [Lane("eager", 1), Lane("eager", 2)]


def test_a_long_stretch_of_nothing_is_folded(refused_and_retried):
    scale = scale_of(lanes_of(refused_and_retried))

    [fold] = scale.folds
    assert fold.length_ns == 15 * MINUTE
    assert fold.width < 200
    assert scale.x(LanePosition(NOON, 3)) == fold.x


def test_the_axis_never_runs_backwards():
    lanes = lanes_of(runs.many(200))
    scale = scale_of(lanes)

    positions = [scale.x(place) for place in sorted(lanes.places)]

    assert positions == sorted(positions)
    assert positions[-1] <= scale.width


def test_a_longer_wait_is_never_drawn_shorter():
    run = runs.Run()
    for wait in (0, 1, 2, 4, 8, 3_600):
        run.at += wait * SECOND
        run.started("a")
        run.retried("a", run.at)

    widths = [gap.width for gap in scale_of(lanes_of(run.trace)).gaps]

    assert widths == sorted(widths)
    assert widths[0] > 10


def test_a_run_of_one_instant_has_an_axis():
    run = runs.Run()
    run.started("a")
    run.succeeded("a")

    assert scale_of(lanes_of(run.trace)).width > 0


def test_round_times_are_named_where_nothing_stands_out():
    trace = runs.many(400)
    scale = scale_of(lanes_of(trace))

    named = [time_of_day(ns) for ns in ticks(trace, scale)]

    assert named[:5] == ["12:00:00", "12:00:05", "12:00:15", "12:00:20", "12:00:25"]  # 12:00:10 is in a fold


def test_each_part_of_the_axis_between_two_folds_has_a_label():
    run = runs.Run()
    for minute in range(8):  # calls that jitter has spread over some seconds, a minute apart
        run.at = NOON + minute * MINUTE
        for _ in range(36):
            run.at += 130 * MILLISECOND
            run.started("a")
            run.retried("a", run.at)

    trace = run.trace
    scale = scale_of(lanes_of(trace))
    named = ticks(trace, scale)

    assert len(scale.folds) == 7
    parts = zip(
        [NOON, *(fold.end_ns for fold in scale.folds)], [*(fold.start_ns for fold in scale.folds), run.at], strict=True
    )
    assert [any(first <= ns <= last for ns in named) for first, last in parts] == [True] * 8


def test_a_task_waits_in_a_queue_then_with_its_worker():
    run = runs.Run()
    run.sent("a")
    run.received("a")
    run.started("a")
    run.sent("a", retries=1, eta_ns=NOON + SECOND)
    run.retried("a", NOON + SECOND)
    run.received("a")
    run.stopped("killed")
    run.received("a", "worker-2")
    run.started("a", 2, "worker-2")

    depths = [(depth.queued, depth.held) for depth in depths_of(run.trace)]

    assert depths == [(1, 0), (0, 1), (0, 0), (1, 0), (1, 0), (0, 1), (1, 0), (0, 1), (0, 0)]


def test_a_task_whose_message_vanished_waits_until_the_fault():
    run = runs.Run()
    run.sent("held")
    run.received("held")
    run.sent("kept")
    run.at += SECOND
    run.fault("stop", "broker")
    run.ended(holding=(("kept", "it waits in queue 'celery', which nobody consumes"),))

    assert [(depth.queued, depth.held) for depth in depths_of(run.trace)] == [(1, 0), (0, 1), (1, 1), (1, 0), (1, 0)]


def test_a_task_whose_message_vanished_without_a_fault_waits_until_its_last_event():
    run = runs.Run()
    run.sent("gone")
    run.ended()

    assert [depth.total for depth in depths_of(run.trace)] == [0, 0]


def test_calls_are_counted_by_the_windows_of_their_limit(refused_and_retried):
    [use] = limit_uses(refused_and_retried)

    assert (use.fake, use.bucket, use.partition, use.limit, use.rolling_ns) == (
        "twitter",
        "/timeline",
        "token-1",
        3,
        0,
    )
    assert [(w.start_ns, w.served, w.refused) for w in use.windows] == [(NOON, 3, 2), (NOON + 15 * MINUTE, 2, 0)]


def test_calls_of_a_sliding_limit_are_counted_in_stretches_of_its_length():
    run = runs.Run()
    for second in range(25):
        run.at = NOON + second * SECOND
        run.called("a", 200, limit=20, reset_ns=run.at + 10 * SECOND)

    [use] = limit_uses(run.trace)

    assert use.rolling_ns == 10 * SECOND
    assert [(w.start_ns - NOON, w.served) for w in use.windows] == [(0, 10), (10 * SECOND, 10), (20 * SECOND, 5)]


def test_durations_are_short_enough_for_a_table():
    assert [about(ns) for ns in (0, 4_000, 12_345_678, SECOND, 1_284_000_000, 59_999_000_000)] == [
        "0s",
        "4µs",
        "12.3ms",
        "1s",
        "1.28s",
        "1m",
    ]
    assert [about(seconds * SECOND) for seconds in (61, 899, 900, 3_600, 7_500, 90_000)] == [
        "1m01s",
        "14m59s",
        "15m",
        "1h",
        "2h05m",
        "1d01h",
    ]
