"""The contest: what each policy does to a small workload, written out, and the advice that follows."""

import pytest

from retrysim.audit.contest import Standing, Workload, contestants, hold
from retrysim.audit.contest.contest import advice
from retrysim.audit.contest.drawing import contest_markdown
from retrysim.audit.contest.run import Contestant, run
from retrysim.audit.contest.waiting import named
from retrysim.errors import InputError
from retrysim.ratelimit.rate import Rate

SECOND = 1_000_000_000
APP = "tests.audit.audited:app"
SMALL = Workload(tasks=12, limit=Rate.parse("5 per minute"))


def wait_a_minute_each(retries, reset_in):
    return 60


def story(result):
    """(second, served, refused) of each second with calls."""
    seconds = {}
    for call in result.calls:
        served, refused = seconds.get(call.at_ns / SECOND, (0, 0))
        seconds[call.at_ns / SECOND] = (served + call.served, refused + (not call.served))
    return [(second, *counts) for second, counts in seconds.items()]


@pytest.mark.parametrize(
    ("policy", "calls", "lost"),
    [
        ("fixed 180s", [(0, 5, 7), (180, 5, 2), (360, 2, 0)], 0),
        ("exponential", [(0, 5, 7), (1, 0, 7), (3, 0, 7), (7, 0, 7)], 7),
        ("at reset", [(0, 5, 7), (60, 5, 2), (120, 2, 0)], 0),
        (
            "slots",
            [(0, 5, 7), (60, 1, 0), (72, 1, 0), (84, 1, 0), (96, 1, 0), (108, 1, 0), (120, 1, 0), (132, 1, 0)],
            0,
        ),
        (
            "shared gate",
            [(0, 5, 0), (60, 1, 0), (72, 1, 0), (84, 1, 0), (96, 1, 0), (108, 1, 0), (120, 1, 0), (132, 1, 0)],
            0,
        ),
        ("tests.audit.test_contest:wait_a_minute_each", [(0, 5, 7), (60, 5, 2), (120, 2, 0)], 0),
    ],
)
def test_a_policy_calls_when_it_says(policy, calls, lost):
    result = run(APP, SMALL, Contestant(name=policy), seed=0)

    assert (story(result), result.lost) == (calls, lost)


def test_jitter_differs_from_seed_to_seed():
    first, again, second = (run(APP, SMALL, Contestant(name="full jitter"), seed=seed) for seed in (0, 0, 1))

    assert first == again
    assert first != second


def test_a_tasks_own_policy_takes_part():
    name = "tests.audit.audited.five"

    result = run(APP, SMALL, Contestant(name=name, task=name, key=name), seed=0)

    assert story(result) == [(0, 5, 7), (180, 5, 2), (360, 2, 0)]


def test_policies_that_retry_alike_take_part_once(report):
    names = [one.name.rpartition(".")[2] for one in contestants(report, ()) if one.task]

    assert len(names) == 5
    assert len({"fixed", "limited", "loud"} & set(names)) <= 1


def test_the_advice_names_the_simplest_policy_that_loses_nothing():
    contest = hold(
        APP, SMALL, [Contestant(name=name) for name in ("exponential", "at reset", "slots")], seeds=2, jobs=1
    )

    assert advice(contest) == (
        "Advice: at reset, because it waits until the API opens, and no longer: none of 12 tasks is lost, the last is "
        "through after 2m (at best 2m), and 9 calls are refused."
    )


def test_the_advice_says_what_a_task_loses_as_it_is():
    workload = Workload(tasks=40, limit=Rate.parse("5 per minute"))
    own = Contestant(
        name="tests.audit.audited.fixed", task="tests.audit.audited.fixed", key="tests.audit.audited.fixed"
    )

    contest = hold(APP, workload, [own, Contestant(name="at reset"), Contestant(name="slots")], seeds=1, jobs=1)

    assert advice(contest) == (
        "Advice: slots, because it gives each refused task a place of its own after the reset (a shared counter), so "
        "that no place is taken twice and one retry is enough: none of 40 tasks is lost, the last is through after "
        "7m48s (at best 7m), and 35 calls are refused. tests.audit.audited.fixed loses 20 of 40 as it is."
    )


def test_where_every_policy_loses_the_advice_is_more_retries():
    workload = Workload(tasks=40, limit=Rate.parse("5 per minute"))

    contest = hold(APP, workload, [Contestant(name="exponential"), Contestant(name="at reset")], seeds=1, jobs=1)

    assert advice(contest) == (
        "Advice: raise max_retries to 7: the workload needs 8 windows, and every policy loses tasks with 3 retries "
        "(at reset the fewest, 20)."
    )


def test_the_contest_as_a_table():
    contest = hold(APP, SMALL, [Contestant(name="exponential"), Contestant(name="at reset")], seeds=1, jobs=1)

    assert contest_markdown(contest).splitlines()[:6] == [
        "### 12 tasks at once, 5 per 1m; max_retries=3 but for tasks' own; 1 seed",
        "",
        "| policy | lost | drained (2m at best) | refused | peak/s | calls |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| exponential | 7 | never | 28 | 12 | 33 |",
        "| at reset | 0 | 2m | 9 | 12 | 21 |",
    ]


def test_a_policy_that_is_none():
    with pytest.raises(InputError) as caught:
        named("at rest")

    assert str(caught.value) == (
        "--policy 'at rest': expected module:function, a function of (retries, reset_in) in seconds"
    )


def test_a_standing_knows_its_spread():
    results = tuple(run(APP, SMALL, Contestant(name="full jitter"), seed=seed) for seed in range(3))

    standing = Standing(name="full jitter", own=False, results=results)

    assert standing.lost.least <= standing.lost.median <= standing.lost.most <= 7
    assert standing.as_json()["drained"]["max"] < 60
