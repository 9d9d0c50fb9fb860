"""Every invariant in a run where it holds, one where it fails, and one where it has nothing to judge."""

from dataclasses import replace

import pytest

from retrysim.durations import MINUTE, SECOND
from retrysim.errors import InputError
from retrysim.invariants import (
    BY_NAME,
    calls_have_effect_once,
    effects_happen_once,
    every_task_settles,
    judge,
    no_task_fails,
    no_task_is_lost,
    no_two_attempts_overlap,
    nobody_calls_while_limited,
    nothing_runs_after_revoke,
    queues_drain,
    quota_is_respected,
    retries_follow_policy,
    retries_start_at_reset,
    retry_counts_are_respected,
    tasks_settle_within,
)
from retrysim.trace import (
    ApiCalled,
    FaultFired,
    RunEnded,
    TaskFailed,
    TaskReceived,
    TaskRetried,
    TaskRevoked,
    TaskSent,
    TaskStarted,
    TaskSucceeded,
    Trace,
    WorkerLogged,
    WorkerReady,
    WorkerStopped,
)

NOON = 1_438_603_200 * SECOND
RESET = NOON + 15 * MINUTE
ID = "0123456789abcdef"


def sent(task_id=ID, at_ns=NOON, retries=0, eta_ns=None, queue="celery", name="proj.fetch"):
    return TaskSent(
        at_ns=at_ns, task_id=task_id, name=name, queue=queue, retries=retries, eta_ns=eta_ns, parent_id=None
    )


def received(at_ns=NOON, task_id=ID):
    return TaskReceived(at_ns=at_ns, task_id=task_id, worker="worker-1")


READY = WorkerReady(at_ns=NOON, worker="worker-1", concurrency=4)


def started(at_ns=NOON, attempt=1, task_id=ID):
    return TaskStarted(at_ns=at_ns, task_id=task_id, name="proj.fetch", worker="worker-1", attempt=attempt)


def succeeded(at_ns=NOON, attempt=1, task_id=ID):
    return TaskSucceeded(at_ns=at_ns, task_id=task_id, attempt=attempt, result="1")


def failed(at_ns=NOON):
    return TaskFailed(at_ns=at_ns, task_id=ID, attempt=1, exception="ValueError: no", traceback="")


def retried(at_ns=NOON, due_ns=RESET, attempt=1):
    return TaskRetried(at_ns=at_ns, task_id=ID, attempt=attempt, due_ns=due_ns, exception="")


def called(at_ns=NOON, decision="served", attempt=1, remaining=0, limit=1, reset_ns=RESET, task_id=ID, told_ns=None):
    limited = decision == "limited"
    return ApiCalled(
        at_ns=at_ns,
        fake="twitter",
        endpoint="GET /a",
        status=429 if limited else 200,
        decision=decision,
        bucket="/a",
        partition="token-1",
        limit=limit,
        remaining=remaining,
        reset_ns=reset_ns,
        retry_at_ns=reset_ns if limited else None,
        told_ns=told_ns if limited else None,
        task_id=task_id,
        attempt=attempt,
    )


def ended(*holding, idle=True):
    return RunEnded(at_ns=RESET, idle=idle, holding=holding)


def problems(invariant, *events):
    [finding] = judge(Trace(start_ns=NOON, events=events), [invariant])
    return [problem.text for problem in finding.problems]


@pytest.mark.parametrize("name", BY_NAME)
def test_every_invariant_is_vacuous_when_nothing_happened(name):
    [text] = problems(BY_NAME[name])

    assert text.startswith("vacuous: the run had no ")


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - {"nothing_runs_after_revoke"}))
def test_every_invariant_holds_for_the_task_that_is_retried_at_the_reset(name):
    events = [
        READY, sent(), received(), started(), called(decision="limited"), sent(retries=1, eta_ns=RESET), retried(),
        received(), started(RESET, 2), called(RESET, attempt=2, reset_ns=RESET + 15 * MINUTE), succeeded(RESET, 2),
        ended(),
    ]  # fmt: skip

    assert judge(Trace(start_ns=NOON, events=events), [BY_NAME[name]]) == []


def test_every_task_settles_fails_for_a_task_that_still_waits():
    assert problems(every_task_settles, sent(), started(), retried(), ended(idle=False)) == [
        "proj.fetch[01234567] did not settle: it is RETRY and the run ended first"
    ]


def test_every_task_settles_and_no_task_is_lost_fail_for_a_task_that_nothing_holds():
    events = [sent(), started(), retried(), ended()]

    assert problems(every_task_settles, *events) == [
        "proj.fetch[01234567] did not settle: it is RETRY and will stay so: its message to queue 'celery' is gone"
    ]
    assert problems(no_task_is_lost, *events) == ["proj.fetch[01234567] is lost: its message to queue 'celery' is gone"]


def test_no_task_is_lost_says_where_its_message_lies():
    events = [sent(), ended((ID, "it waits in queue 'mail', which nobody consumes"))]

    assert problems(no_task_is_lost, *events) == [
        "proj.fetch[01234567] is lost: it waits in queue 'mail', which nobody consumes"
    ]


def test_no_task_fails_names_state_attempts_and_exception():
    assert problems(no_task_fails, sent(), started(), failed(), ended()) == [
        "proj.fetch[01234567] ended in FAILURE after 1 attempt: ValueError: no"
    ]


def test_no_task_fails_counts_a_revoked_task_only_if_it_is_asked_to():
    events = [sent(), TaskRevoked(at_ns=NOON, task_id=ID, attempt=None, expired=True), ended()]

    assert judge(Trace(start_ns=NOON, events=events), [no_task_fails]) == []
    assert problems(no_task_fails(revoked=True), *events) == ["proj.fetch[01234567] ended in REVOKED after 0 attempts"]


def test_quota_is_respected_fails_for_one_call_too_many_in_a_window():
    assert problems(quota_is_respected, sent(), started(), called(), called()) == [
        "proj.fetch[01234567] got call 2 of /a served in a window of 1 (token-1, until 12:15:00)"
    ]


@pytest.mark.parametrize(
    ("at_ns", "text"),
    [
        (RESET - 1_000, "1us before the reset (at 12:14:59.999999, reset 12:15:00, GET /a)"),
        (RESET + 2 * SECOND, "2s after the reset (at 12:15:02, reset 12:15:00, GET /a)"),
    ],
)
def test_retries_start_at_reset_fails_for_a_microsecond(at_ns, text):
    events = [sent(), started(), called(decision="limited"), retried(due_ns=at_ns), started(at_ns, 2)]

    assert problems(retries_start_at_reset, *events) == ["proj.fetch[01234567] started its retry " + text]


def test_retries_start_at_reset_lets_a_caller_obey_an_answer_that_rounds_up():
    told = RESET + SECOND
    refused = [sent(), started(), called(decision="limited", told_ns=told), retried(due_ns=told)]

    assert judge(Trace(events=[*refused, started(told, 2)]), [retries_start_at_reset]) == []
    assert len(problems(retries_start_at_reset, *refused, started(told + 1_000, 2))) == 1


def test_retries_start_at_reset_fails_for_a_task_that_never_tries_again():
    assert problems(retries_start_at_reset, sent(), started(), called(decision="limited"), failed()) == [
        "proj.fetch[01234567] was refused (429, GET /a) at 12:00:00 and never tried again: FAILURE"
    ]


def test_retries_start_at_reset_lets_a_due_retry_wait_for_a_slot_and_for_nothing_else():
    late = RESET + 2 * SECOND
    other = "other-task-of-the-worker"
    retry = [sent(), started(), called(decision="limited"), retried(), started(late, 2), succeeded(late, 2)]
    busy = [started(RESET, task_id=other), succeeded(late, task_id=other)]
    one_slot = WorkerReady(at_ns=NOON, worker="worker-1", concurrency=1)
    two_slots = WorkerReady(at_ns=NOON, worker="worker-1", concurrency=2)

    assert judge(Trace(events=[one_slot, *retry, *busy]), [retries_start_at_reset]) == []
    assert len(problems(retries_start_at_reset, two_slots, *retry, *busy)) == 1


def test_nobody_calls_while_limited_fails_for_the_impatient():
    events = [sent(), started(), called(decision="limited"), called(NOON + MINUTE, decision="limited")]

    assert problems(nobody_calls_while_limited, *events) == [
        "proj.fetch[01234567] called GET /a 14m too early (at 12:01:00, closed until 12:15:00)"
    ]


def test_no_two_attempts_overlap_fails_for_a_copy_that_runs_beside_the_first():
    copy = TaskStarted(at_ns=NOON + MINUTE, task_id=ID, name="proj.fetch", worker="worker-2", attempt=2)
    events = [sent(), started(), succeeded(NOON + 2 * MINUTE), copy, succeeded(NOON + 3 * MINUTE, 2)]

    assert problems(no_two_attempts_overlap, *events) == [
        "proj.fetch[01234567] began attempt 2 on worker-2 at 12:01:00, while attempt 1 ran on worker-1 until 12:02:00"
    ]


def test_no_two_attempts_overlap_sees_a_short_copy_between_two_others():
    events = [
        sent(), started(), started(NOON + SECOND, 2), succeeded(NOON + 2 * SECOND, 2), started(NOON + MINUTE, 3),
        succeeded(NOON + 2 * MINUTE), succeeded(NOON + 3 * MINUTE, 3),
    ]  # fmt: skip

    assert problems(no_two_attempts_overlap, *events) == [
        "proj.fetch[01234567] began attempt 2 on worker-1 at 12:00:01, while attempt 1 ran on worker-1 until 12:02:00",
        "proj.fetch[01234567] began attempt 3 on worker-1 at 12:01:00, while attempt 1 ran on worker-1 until 12:02:00",
    ]


def test_effects_happen_once_fails_for_a_task_that_runs_again_after_its_success():
    events = [
        sent(),
        started(),
        succeeded(NOON + MINUTE),
        started(NOON + 2 * MINUTE, 2),
        succeeded(NOON + 3 * MINUTE, 2),
    ]

    assert problems(effects_happen_once, *events) == [
        "proj.fetch[01234567] had succeeded at 12:01:00 and ran again at 12:02:00 (attempt 2, on worker-1)"
    ]


def test_nothing_runs_after_revoke_holds_for_a_task_that_did_not_run_and_fails_for_one_that_did():
    revoked = TaskRevoked(at_ns=NOON + MINUTE, task_id=ID, attempt=None, expired=False)

    assert judge(Trace(events=[sent(), revoked]), [nothing_runs_after_revoke]) == []
    assert problems(nothing_runs_after_revoke, sent(), revoked, started(NOON + 2 * MINUTE)) == [
        "proj.fetch[01234567] was revoked at 12:01:00 and began attempt 1 at 12:02:00"
    ]


TWO_SECONDS = NOON + 2 * SECOND


def retried_at(started_ns, due_ns=TWO_SECONDS):
    return [sent(), started(), retried(due_ns=due_ns), started(started_ns, 2), succeeded(started_ns, 2), ended()]


def test_retries_follow_policy_fails_for_a_microsecond():
    assert problems(retries_follow_policy, *retried_at(TWO_SECONDS + 1_000)) == [
        "proj.fetch[01234567] started its retry 1 1us after it was due (at 12:00:02.000001, due 12:00:02)"
    ]
    assert judge(Trace(events=retried_at(TWO_SECONDS)), [retries_follow_policy]) == []


def test_retries_follow_policy_fails_for_a_retry_that_never_came_and_for_an_attempt_that_none_asked_for():
    assert problems(retries_follow_policy, sent(), started(), retried(due_ns=TWO_SECONDS), ended()) == [
        "proj.fetch[01234567] never started its retry 1, due at 12:00:02: RETRY"
    ]
    assert problems(retries_follow_policy, *retried_at(TWO_SECONDS), started(RESET, 3)) == [
        "proj.fetch[01234567] began attempt 3 on worker-1 at 12:15:00, which no retry asked for: "
        "attempt 2 had ended in SUCCESS"
    ]


def test_retries_follow_policy_fails_for_a_copy_beside_an_attempt_and_not_for_the_retry_of_either():
    copy, first_due, copy_due = NOON + MINUTE, NOON + 5 * MINUTE, NOON + 7 * MINUTE
    events = [
        sent(), started(), started(copy, 2), retried(NOON + 2 * MINUTE, copy_due), retried(copy, first_due, attempt=2),
        started(first_due, 3), succeeded(first_due, 3), started(copy_due, 4), succeeded(copy_due, 4), ended(),
    ]  # fmt: skip

    assert problems(retries_follow_policy, *events) == [
        "proj.fetch[01234567] began attempt 2 on worker-1 at 12:01:00, which no retry asked for: "
        "attempt 1 still ran on worker-1"
    ]


@pytest.mark.parametrize(
    ("policy", "implies"),
    [
        ({"countdown": 3}, "3s"),
        ({"backoff": 4}, "4s"),
        ({"backoff": "1 hour", "maximum": 600}, "10m"),
        ({"backoff": 1, "jitter": True}, "0s to 1s"),
        ({"at": "reset"}, "15m"),
    ],
)
def test_retries_follow_policy_fails_for_another_delay_than_the_policy_implies(policy, implies):
    events = retried_at(TWO_SECONDS)
    events.insert(2, called(decision="limited"))

    assert problems(retries_follow_policy(**policy), *events) == [
        f"proj.fetch[01234567] asked at 12:00:00 for retry 1 in 2s; its policy implies {implies}"
    ]


@pytest.mark.parametrize(
    "policy", [{"countdown": "2s"}, {"backoff": 2}, {"backoff": 60, "maximum": 2}, {"backoff": 2, "jitter": True}]
)
def test_retries_follow_policy_holds_for_the_delay_that_the_policy_implies(policy):
    assert judge(Trace(events=retried_at(TWO_SECONDS)), [retries_follow_policy(**policy)]) == []


def test_retries_follow_policy_takes_one_policy():
    with pytest.raises(InputError) as caught:
        judge(Trace(events=retried_at(TWO_SECONDS)), [retries_follow_policy(countdown=2, backoff=2)])

    assert str(caught.value) == 'retries follow one policy: give only one of countdown, backoff and at="reset"'


def test_retry_counts_are_respected_fails_for_a_retry_that_is_published_twice_and_for_one_too_many():
    twice = [
        sent(),
        started(),
        sent(retries=1),
        retried(),
        started(NOON, 2),
        sent(retries=1),
        retried(attempt=2),
        ended(),
    ]

    assert problems(retry_counts_are_respected, *twice) == [
        "proj.fetch[01234567] published its retry 1 2 times: its copies are retried on their own"
    ]
    assert problems(retry_counts_are_respected(at_most=0), *twice[:4]) == [
        "proj.fetch[01234567] was retried 1 times, and may be 0 times: RETRY"
    ]
    assert judge(Trace(events=twice[:4]), [retry_counts_are_respected(at_most=1)]) == []


def test_queues_drain_fails_for_a_message_that_no_worker_received():
    waiting = [READY, sent(queue="mail"), received(), sent(queue="mail", retries=1), ended()]

    assert problems(queues_drain, *waiting) == [
        "proj.fetch[01234567] still waits in queue 'mail', since 12:00:00 (15m)"
    ]
    assert problems(queues_drain(queue="other"), *waiting) == [
        "vacuous: the run had no message to a worker to judge, so this says nothing"
    ]


def test_an_invariant_with_arguments_judges_those_only():
    other = [sent("b" * 16, name="proj.other"), started(task_id="b" * 16), failed_of("b" * 16)]
    trace = Trace(events=[sent(), started(), called(), called(), succeeded(), *other, ended()])

    assert (
        judge(trace, [no_task_fails(task="fetch"), no_task_fails(but="other"), no_task_fails(but=["proj.other"])]) == []
    )
    assert [finding.invariant for finding in judge(trace, [no_task_fails(task="other"), no_task_fails])] == [
        "no_task_fails(task='other')",
        "no_task_fails",
    ]
    assert [finding.invariant for finding in judge(trace, [quota_is_respected(fake="twitter")])] == [
        "quota_is_respected(fake='twitter')"
    ]


def test_a_name_with_a_number_is_the_task_that_was_sent_as_that_one():
    trace = Trace(events=[sent(), started(), failed(), sent("b" * 16), started(task_id="b" * 16), ended()])

    assert judge(trace, [no_task_fails(task="fetch#2")]) == []
    assert [finding.invariant for finding in judge(trace, [no_task_fails(task="fetch#1")])] == [
        "no_task_fails(task='fetch#1')"
    ]
    [vacuous] = judge(trace, [quota_is_respected(fake="github")])
    assert vacuous.problems[0].text.startswith("vacuous: ")


def failed_of(task_id):
    return TaskFailed(at_ns=NOON, task_id=task_id, attempt=1, exception="ValueError: no", traceback="")


def test_an_argument_that_an_invariant_does_not_take_is_an_error_where_it_is_given():
    with pytest.raises(TypeError, match="unexpected keyword argument 'fakes'"):
        quota_is_respected(fakes="twitter")


def test_joined_invariants_hold_when_both_do_and_are_vacuous_when_one_is():
    both = every_task_settles & quota_is_respected

    assert both.__name__ == "every_task_settles and quota_is_respected"
    assert judge(Trace(events=[sent(), started(), called(), succeeded(), ended()]), [both]) == []
    assert problems(both, sent(), started(), called(), ended()) == [
        "proj.fetch[01234567] did not settle: it is STARTED and will stay so: "
        "worker-1 ran attempt 1 of it at 12:00:00, and dropped it"
    ]
    assert problems(both, sent(), started(), succeeded(), ended()) == [
        "vacuous: the run had no call of a limited endpoint to judge, so this says nothing"
    ]


def test_a_task_that_is_lost_with_a_worker_that_died_says_of_what_it_died():
    log = WorkerLogged(at_ns=NOON, worker="worker-1", level="CRITICAL", text="Unrecoverable error: KeyError('x')")
    died = WorkerStopped(at_ns=NOON, worker="worker-1", how="died")

    assert problems(every_task_settles, sent(), started(), log, died, ended()) == [
        "proj.fetch[01234567] did not settle: it is STARTED and will stay so: worker-1 ran attempt 1 of it when it died "
        "at 12:00:00 (its log: 12:00:00 Unrecoverable error: KeyError('x')); nobody has its message any more"
    ]


def test_calls_have_effect_once_fails_for_a_task_whose_call_was_served_again():
    lost = FaultFired(at_ns=NOON, name="x", verb="answer_lost", target="GET /items")
    again = [
        sent(),
        started(),
        lost,
        replace(called(), broken="reset", status=0, decision="broken"),
        called(),
        succeeded(),
        ended(),
    ]

    assert problems(calls_have_effect_once, *again) == [
        f"proj.fetch[01234567]: {called().endpoint} had its effect 2 times, expected at most 1"
    ]
    assert judge(Trace(events=again), [calls_have_effect_once(times=2)]) == []
    assert problems(calls_have_effect_once(times=2, in_all=1), *again) == [
        "all calls: 2 effects in all, expected at most 1"
    ]


def test_calls_have_effect_once_fails_for_a_task_that_succeeds_without_its_effect():
    refused = [sent(), started(), replace(called(), status=500), succeeded(), ended()]

    assert problems(calls_have_effect_once(least=1), *refused) == [
        "proj.fetch[01234567] ended in SUCCESS, but its call had its effect 0 times"
    ]


def test_tasks_settle_within_fails_for_a_task_that_takes_longer():
    late = [sent(), started(), succeeded(at_ns=NOON + 5 * MINUTE), sent("b" * 16), ended()]

    assert problems(tasks_settle_within(within="4m"), *late) == [
        "proj.fetch[01234567] took 5m, expected at most 4m",
        "proj.fetch[bbbbbbbb] took 15m and more, expected at most 4m",
    ]
