"""Beats: events that are due again and again, and pass while they change nothing."""

import pytest

from retrysim.clock import VirtualClock
from retrysim.durations import DAY, SECOND
from retrysim.errors import Runaway
from retrysim.kernel import NEVER_AGAIN, Condition, Environment, Limits, Regular

START = 1_438_603_200 * SECOND


class Beat:
    """Due each ``period`` seconds; notes each time, and from ``changes_at`` on changes something."""

    def __init__(self, env, period, changes_at=None):
        self.env = env
        self.period_ns = period * SECOND
        self.changes_at_ns = None if changes_at is None else START + changes_at * SECOND
        self.passed = []
        self.fired = []
        self.moved = 0
        self.event = env.schedule(env.clock.ns + self.period_ns, self.fire, daemon=True, beat=self)

    def fire(self):
        self.fired.append(self.now)

    @property
    def now(self):
        return (self.env.clock.ns - START) / SECOND

    def pass_by(self):
        if self.changes_at_ns is not None and self.env.clock.ns >= self.changes_at_ns:
            return None
        self.passed.append(self.now)
        return self.env.clock.ns + self.period_ns

    def regular(self):
        return Regular(period_ns=self.period_ns, until_ns=self.changes_at_ns)

    def move(self, ns):
        self.moved += ns


@pytest.fixture
def env():
    return Environment(VirtualClock(START))


def run_for(env, seconds):
    env.run(until_ns=env.clock.ns + seconds * SECOND)


def test_a_beat_passes_until_it_changes_something(env):
    beat = Beat(env, 10, changes_at=30)
    run_for(env, 100)

    assert (beat.passed, beat.fired) == ([10, 20], [30])


def test_a_beat_is_not_due_again_where_it_says_so(env):
    beat = Beat(env, 10)
    beat.pass_by = lambda: NEVER_AGAIN
    run_for(env, 100)

    assert env.meter.steps == 1


def test_time_jumps_over_whole_periods_that_all_beats_have_in_common(env):
    beats = [Beat(env, 4), Beat(env, 6)]
    run_for(env, 86_401)

    assert env.meter.steps < 20
    assert [beat.moved % (12 * SECOND) for beat in beats] == [0, 0]
    assert beats[0].moved == beats[1].moved > 86_000 * SECOND
    assert [beat.event.ns - env.clock.ns for beat in beats] == [3 * SECOND, 5 * SECOND]


def test_time_does_not_jump_over_an_event(env):
    beat, seen = Beat(env, 1), []
    env.schedule(START + 1000 * SECOND + 1000, lambda: seen.append((beat.now, beat.event.ns)))
    env.run()

    assert seen == [(1000.000001, START + 1001 * SECOND)]
    assert env.meter.steps < 10


def test_time_does_not_jump_over_what_a_beat_will_change(env):
    beat = Beat(env, 7, changes_at=7_000)
    run_for(env, 10_000)

    assert beat.fired == [7_000]
    assert env.meter.steps < 10


def test_a_beat_is_not_moved_behind_what_it_will_change(env):
    Beat(env, 5)
    late = Beat(env, 10, changes_at=1_004)  # whoever goes round each 10 s would be due at 1004 instead of at 1010
    run_for(env, 1_003)

    assert late.event.ns == START + 1_010 * SECOND
    assert late.passed[-1] == 1_000


def test_the_order_of_ties_is_that_of_a_run_that_plays_each_beat(env, monkeypatch):
    def order(env, jumps):
        told = []
        for name, period in (("a", 10), ("b", 25), ("c", 10)):
            beat = Beat(env, period)
            beat.pass_by = lambda name=name, real=beat.pass_by: told.append(name) or real()
        if not jumps:
            env._stillness.whole_periods_ns = lambda _until_ns: 0
        run_for(env, 5_000)
        return told[-7:]

    assert order(env, jumps=True) == order(Environment(VirtualClock(START)), jumps=False)


def test_a_condition_of_the_test_is_asked_at_each_beat(env):
    beat = Beat(env, 1)
    env.schedule(START + 500 * SECOND, lambda: None)
    env.run(until=lambda: env.clock.ns >= START + 100 * SECOND)

    assert beat.now == 100
    assert beat.moved == 0


def test_a_wait_whose_timeout_passes_goes_on(env):
    awake, ended = Condition("nothing"), []

    class Patient(Beat):
        def __init__(self):
            self.env, self.period_ns, self.changes_at_ns, self.passed = env, 3 * SECOND, START + 9 * SECOND, []

    patient = Patient()

    def wait():
        ended.append((env.wait(awake, timeout_ns=3 * SECOND, beat=patient), patient.now))

    env.spawn(wait, name="patient")
    env.run()

    assert ended == [(False, 9)]
    assert patient.passed == [3, 6]


def test_what_is_too_far_away_is_an_error_at_once():
    env = Environment(VirtualClock(START), limits=Limits(virtual_ns=10 * DAY))
    beat = Beat(env, 1)
    env.schedule(START + 20 * DAY, lambda: None)

    with pytest.raises(Runaway, match="more than 10d of virtual time"):
        env.run()
    assert beat.now < 300
