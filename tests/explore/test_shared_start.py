"""Runs from one start, forked for each, do what runs from nothing do; nothing of them is left."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest
from tests.explore.conftest import HEAD

from retrysim.errors import InternalError
from retrysim.exploring.forks import Forks
from retrysim.exploring.kinds import KINDS
from retrysim.exploring.order import single_strikes
from retrysim.exploring.playing import hung, player_of
from retrysim.exploring.points import Point
from retrysim.exploring.shared_start import SharedStart, runner_of, why_not_shared
from retrysim.exploring.subject import subject_of
from retrysim.exploring.surroundings import surroundings_of
from retrysim.exploring.trial import Trial
from retrysim.scenarios import items_of, loads

SHOP = "workers: {count: 2}\nsubmit: [{task: push}, {task: read, at: 1s}]\n"
PLAIN = Trial(draw="none/0")


def subject(text=SHOP, head=HEAD):
    return subject_of(items_of(loads(head + text, file="shop.scenario.yaml")), None, None)


def children():
    """The processes that this one has and has not buried."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.fixture
def runner():
    """A runner of the shop; its process is gone afterwards."""
    before = children()
    with closing(SharedStart(subject(), jobs=2)) as runner:
        yield runner
    assert children() <= before


@pytest.mark.slow
@pytest.mark.parametrize(("broker", "pool"), [("memory", "gevent"), ("redis", "prefork"), ("rabbitmq", "threads")])
def test_a_run_from_the_shared_start_is_the_run_from_nothing(broker, pool):
    shop = subject(SHOP.replace("count: 2", f"count: 2, pool: {pool}"), HEAD.replace("redis", broker))
    fresh: Forks = Forks(player_of(shop), jobs=2, on_hang=hung)
    ((_, base),) = fresh.results([Trial(wants_points=True, wants_trace=True)])
    points = [Point(**point) for point in base.points]
    strikes = single_strikes(points, surroundings_of(shop), list(KINDS.values()))
    trials = [
        Trial(wants_points=True, wants_trace=True),
        Trial(changes={"workers": {"count": 1}}),
        *(Trial(strikes=(strike,), wants_trace=True) for strike in strikes[:: len(strikes) // 8]),
        *(Trial(draw=draw) for draw in ("uniform/1", "pct/1", "yields/0/1/worker-1")),
    ]

    with closing(SharedStart(shop, jobs=2)) as shared:
        assert dict(shared.results(trials)) == dict(fresh.results(trials))


def test_results_come_round_by_round_and_no_process_stays(runner):
    first, again = dict(runner.results([PLAIN, PLAIN])), dict(runner.results([PLAIN]))

    assert sorted(first) == [0, 1]
    assert first[0] == first[1] == again[0]
    assert {facts.state for facts in first[0].tasks.values()} == {"SUCCESS"}


def test_whoever_stops_listening_stops_the_runs_and_may_ask_again(runner):
    results = runner.results([PLAIN] * 5)
    next(results)
    results.close()

    assert len(dict(runner.results([PLAIN]))) == 1


def test_a_search_whose_started_simulation_was_killed_says_so(runner):
    others = children()
    dict(runner.results([PLAIN]))
    (pid,) = children() - others
    os.kill(int(pid), signal.SIGKILL)

    with pytest.raises(InternalError, match="the process that holds the started simulation of this search has ended"):
        dict(runner.results([PLAIN]))


@pytest.mark.slow
def test_a_task_that_computes_forever_ends_in_a_copy_too():
    endless = subject("limits: {real_seconds: 1}\nsubmit: [{task: compute_forever}]\n")

    with closing(SharedStart(endless, jobs=1)) as runner:
        ((_, result),) = runner.results([Trial()])

    assert "has computed for 1 s of real time without waiting" in result.stuck


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("database: real\n", "the scenario uses a database"),
        ("allow: [files, threads]\n", "the scenario allows what is real (files, threads)"),
        ("workers: {isolated: true}\n", "its pool processes are processes of the machine"),
    ],
)
def test_a_simulation_with_real_things_is_not_copied(text, why):
    assert why_not_shared(subject()) is None
    real = subject("submit: [{task: quiet}]\n" + text)
    assert why_not_shared(real) == why
    assert isinstance(runner_of(real, jobs=1), Forks)


def test_isolated_pool_processes_are_explored_as_such():
    isolated = subject("workers: {count: 2, isolated: true}\nsubmit: [{task: quiet}]\n")

    assert isolated.values["workers"] == {"count": 2, "concurrency": 1, "isolated": True}
    ((_, result),) = runner_of(isolated, jobs=1).results([Trial(wants_trace=True)])
    assert [facts.state for facts in result.tasks.values()] == ["SUCCESS"]
