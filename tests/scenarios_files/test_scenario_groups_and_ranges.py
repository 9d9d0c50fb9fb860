"""Groups of workers, bursts, rates, users and ranges: what they mean, and what is said of those that are wrong."""

from __future__ import annotations

import pytest
from scenario_texts import GROUPS_AND_RANGES, SMALL

from retrysim.durations import MINUTE, SECOND
from retrysim.errors import ScenarioError
from retrysim.scenarios import Range, fits, items_of, loads
from retrysim.simulation.player import play

START = 1_577_836_800 * SECOND


def spec_of(text):
    return loads(text, file="f").spec


def workers_of(text):
    return [(worker.name, worker.concurrency, worker.queues) for worker in items_of(loads(text, file="f"))[0].workers]


def test_groups_of_workers_have_names_of_their_own():
    assert workers_of(GROUPS_AND_RANGES) == [("fast", 4, ("high",)), ("slow-1", 1, None), ("slow-2", 1, None)]
    assert workers_of(SMALL + "workers: {groups: [{name: fast}]}") == [("fast", 1, None)]


def test_lists_inside_groups_make_items_of_every_combination():
    items = items_of(
        loads(
            SMALL
            + "workers:\n- {name: fast, concurrency: [1, 4], pool: threads}\n- {name: slow, count: [1, 2], "
            + "pool: [prefork, gevent]}\n- {name: lone}\n"
        )
    )

    assert [item.id for item in items] == [
        f"worker-fast-{fast}-slow-{pool}-{count}x1"
        for fast in (1, 4)
        for pool in ("prefork", "gevent")
        for count in (1, 2)
    ]
    assert [(w.name, w.concurrency, w.pool) for w in items[-1].workers] == [
        ("fast", 4, "threads"),
        ("slow-1", 1, "gevent"),
        ("slow-2", 1, "gevent"),
        ("lone", 1, None),
    ]


def test_a_submission_has_a_burst_at_each_instant_and_a_call_for_each_user():
    fetch, add = spec_of(GROUPS_AND_RANGES).submit

    assert fetch.count == 18
    calls = [(at_ns - START, kwargs["token"]) for at_ns, kwargs in fetch.calls(START)]
    assert calls[:6] == [(0, "alice"), (0, "bob")] * 3
    assert calls[6][0] == 15 * MINUTE
    assert calls[12][0] == 30 * MINUTE
    instants = [at_ns - START for at_ns in add.instants_ns(START)]
    assert (len(instants), instants[1], instants[99]) == (100, 600_000_000, 59_400_000_000)


def test_a_range_has_both_its_ends():
    expect = spec_of(GROUPS_AND_RANGES).expect

    assert expect.elapsed_ns == Range(least=30 * MINUTE, most=45 * MINUTE)
    assert [fits(expect.attempts["*"], count) for count in (117, 118, 300, 301)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("workers: [{nam: a}]", "f:5:12: workers[0].nam: unknown key; did you mean 'name'?"),
        ("workers: [{queues: a}]", "f:5:11: workers[0].name: missing; expected the node name of these workers"),
        ("workers: [{name: a}, {name: a}]", "f:5:29: workers[1].name: there is a worker 'a' already; rename this"),
        (
            "workers: [{name: a, count: [1, 2]}, {name: a-2}]",
            "f:5:44: workers[1].name: there is a worker 'a-2' already; rename this",
        ),
        (
            "workers: [{name: a, concurrency: [2, 4, 2]}]",
            "f:5:41: workers[0].concurrency[2]: 2 is in the list already; each value is an item of its own",
        ),
        (
            "workers: {groups: [{name: a}], count: 2}",
            "f:5:39: workers.count: groups are given too; say it of each group",
        ),
        (
            "expect: {states: {SUCCESS: 5..}}",
            "f:5:28: expect.states.SUCCESS: expected a whole number of 0 or more, "
            "or a range with both its ends, such as 180..200; got '5..'",
        ),
        (
            "expect: {elapsed: 2m..1m}",
            "f:5:19: expect.elapsed: expected a range that counts upwards, such as 180..200 or 15m..16m; got '2m..1m'",
        ),
        (
            "expect: {violates: []}",
            "f:5:20: expect.violates: expected at least one value; got an empty list",
        ),
    ],
)
def test_what_is_wrong_with_groups_and_ranges_is_said(lines, message):
    with pytest.raises(ScenarioError) as caught:
        loads(SMALL + lines, file="f")

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("rate: often", "f:1:44: submit[0].rate: expected a number and a window, such as 100 per minute; got 'often'"),
        ("rate: 1 per minute, every: 2s", "f:1:44: submit[0].rate: every is given too; keep one of them"),
        ("for_each: {a: []}", "f:1:52: submit[0].for_each.a: expected at least one value; got an empty list"),
        (
            "for_each: {a: [1]}, kwargs: {a: 1}",
            "f:1:52: submit[0].for_each.a: a is in kwargs too; keep one of them",
        ),
        (
            "at: [0s, 2019-12-31T00:00:00Z]",
            "f:1:47: submit[0].at[1]: is before the start; a task is submitted at the start or later",
        ),
    ],
)
def test_what_is_wrong_with_a_submission_is_said(more, message):
    with pytest.raises(ScenarioError) as caught:
        loads("{name: a, app: p, submit: [{task: t, " + more + "}]}", file="f")

    assert str(caught.value) == message


PLAYED = """
name: two users, two queues, a burst after an hour
app: scenarios.apps.crm:app
workers:
  - {name: fast, queues: high, concurrency: 2}
  - {name: slow}
fakes:
  crm: {url: https://gateway.acme.io, limit: 5 per minute}
submit:
  - {task: push_contact, times: 3, for_each: {contact_id: [1, 2]}, at: [0s, 1h], queue: high}
  - {task: push_contact, kwargs: {contact_id: 3}, at: 30m, times: 2, rate: 1 per second}
expect:
  states: {SUCCESS: 14..14}
  retried: {tasks: 1..2, at: reset}
  attempts: {push_contact: 15..20}
  elapsed: 1h..62m
  timelines: {SUCCESS: 12, RETRY 1m SUCCESS: 2}
  violates: [no_two_attempts_overlap]
"""


def test_a_scenario_with_groups_and_ranges_is_played():
    [item] = items_of(loads(PLAYED, file="f"))

    outcome = play(item)

    assert [(f.invariant, f.problems[0].text) for f in outcome.findings] == [
        ("violates", "expected no_two_attempts_overlap not to hold, but it does, for 16 (attempt)")
    ]
    workers = {attempt.worker for task in outcome.trace.tasks.values() for attempt in task.attempts}
    assert workers == {"fast", "slow"}


def test_an_argument_that_an_invariant_does_not_have_is_an_error_at_its_place():
    text = PLAYED.replace("violates: [no_two", "invariants: [{quota_is_respected: {fakes: crm}}, no_two")
    [item] = items_of(loads(text, file="f"))

    with pytest.raises(ScenarioError) as caught:
        play(item)

    assert str(caught.value) == (
        "f:18:16: expect.invariants[0]: quota_is_respected has no argument 'fakes'; did you mean 'fake'?"
    )
