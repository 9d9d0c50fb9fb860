"""The audit plays Celery's own retry code: what it says of a policy is what a worker does."""

import random
import signal

import pytest
from tests.audit.audited import app

from retrysim.audit import audit

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def retries(task):
    """The seconds at which the copies of a task were retried, once for each that differs."""
    [row] = task.rows
    return {tuple(ns // SECOND for ns in chain.attempts_ns[1:]) for chain in row.coverage.chains}


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("fixed", (180, 360, 540)),
        ("five", (180, 360, 540, 720, 900)),
        ("overruled", (1, 3, 7, 15, 31)),
        ("clipped", (30, 90, 210, 450, 930, 1530, 2130, 2730)),
        ("late", (7200, 14400)),
        ("expiring", (60,)),
        ("loud", (180, 360, 540)),
        ("alone", ()),
        ("by_hand", (180, 360, 540)),
        ("by_hand_doubling", (60, 180, 420, 900)),
        ("by_hand_steps", (10, 70, 370)),
        ("by_helper", (5, 10, 15)),
    ],
)
def test_retries_come_when_celery_lets_them(audited, name, at):
    assert retries(audited[name]) == {at}


def test_a_jittered_backoff_is_played_many_times(audited):
    [row] = audited["jitter"].rows

    assert len(row.coverage.chains) > 100
    assert {chain.delays_ns[2] // SECOND for chain in row.coverage.chains} == {0, 1, 2, 3, 4}
    assert (row.coverage.span.least, row.coverage.span.most) == (0, 7 * SECOND)
    # 1/2 * 1/3 * 1/5: all three draws are 0
    assert 0.01 < row.coverage.lost(SECOND) < 0.07
    assert row.coverage.lost(MINUTE) == 1


def test_a_countdown_drawn_in_the_body_is_drawn(audited):
    [row] = audited["by_hand_uniform"].rows

    assert 30 * SECOND < row.coverage.span.least < row.coverage.span.median < row.coverage.span.most < 60 * SECOND


def test_a_window_is_half_open(audited):
    [row] = audited["five"].rows

    assert [row.coverage.lost(ns) for ns in (15 * MINUTE - 1, 15 * MINUTE, 15 * MINUTE + 1)] == [0, 0, 1]


def test_what_has_no_end_outlives_every_window(audited):
    [row] = audited["forever"].rows

    assert row.coverage.endless
    assert row.coverage.lost(24 * 60 * MINUTE) == 0
    assert row.coverage.as_json()["span"] is None


def test_a_policy_ends_as_celery_ends_it(audited):
    ends = {name: audited[name].rows[0].coverage.states for name in ("fixed", "expiring", "alone", "forever")}

    assert ends == {"fixed": ("FAILURE",), "expiring": ("REVOKED",), "alone": ("FAILURE",), "forever": ("RETRY",)}


def test_nothing_but_the_policy_of_a_task_runs(audited):
    assert audited["loud"].not_run == ("__call__", "before_start", "on_failure", "on_retry", "apply_async")
    assert retries(audited["loud"]) == {(180, 360, 540)}


def test_the_app_is_given_back(report):
    task = app.tasks["tests.audit.audited.loud"]
    before = (dict(vars(task)), list(app.conf.maps), dict(app.steps), random.getstate())
    handler = signal.getsignal(signal.SIGINT)

    audit("tests.audit.audited:app", tasks=["loud"], jobs=1)

    assert (dict(vars(task)), list(app.conf.maps), dict(app.steps), random.getstate()) == before
    assert signal.getsignal(signal.SIGINT) is handler
    with pytest.raises(AssertionError, match="__call__ ran"):
        task()


def test_figures_do_not_depend_on_the_number_of_processes_or_on_the_other_tasks(report):
    names = ["jitter", "fixed", "by_hand_uniform"]

    alone = audit("tests.audit.audited:app", tasks=names, copies=12, jobs=1)
    together = audit("tests.audit.audited:app", tasks=names, copies=12, jobs=2)

    assert alone.as_json() == together.as_json()


def test_another_seed_draws_other_jitter():
    first, second = (
        audit("tests.audit.audited:app", tasks=["jitter"], copies=12, jobs=1, seed=seed) for seed in (1, 2)
    )

    assert first.tasks[0].rows[0].coverage.chains != second.tasks[0].rows[0].coverage.chains
