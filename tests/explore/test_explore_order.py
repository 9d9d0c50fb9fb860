"""Who goes first: ties of a run, decisions about them, and that a search finds an order that matters."""

from __future__ import annotations

import pytest
from tests.explore.conftest import HEAD, items

from retrysim.errors import InputError
from retrysim.exploring import exhaustive
from retrysim.exploring.exploration import Budget
from retrysim.exploring.face import explore_scenario
from retrysim.exploring.text import report_lines
from retrysim.scenarios import items_of, load, loads
from retrysim.simulation.player import play

pytestmark = pytest.mark.slow

RACE = "workers: {count: 2}\nsubmit: [{task: use}, {task: create}]\n"


def played(text):
    return play(items_of(loads(HEAD + RACE + text, file="race.scenario.yaml"))[0])


@pytest.fixture(autouse=True)
def no_row():
    from tests.explore import shop

    shop._created.clear()
    yield
    shop._created.clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("found")


@pytest.fixture(scope="module")
def searched(folder):
    budget = Budget(jobs=2, runs=48, seed=0)
    return explore_scenario(items(RACE), faults=["results_slow"], budget=budget, folder=folder)


def test_a_search_finds_the_order_that_matters_and_writes_it_down(searched, folder):
    (finding,) = [one for one in searched.findings.values() if one.worst == "failed"]

    assert finding.cause == "it raises LookupError, and gives up"
    assert finding.trial.strikes == ()
    assert [decision["next"] for decision in finding.trial.order] == ["worker-2"]
    assert searched.unconfirmed == []
    assert searched.planned == 48
    text = (folder / "01_use_failed.scenario.yaml").read_text()
    assert "order:\n  - {at: 0s, " in text
    outcome = play(items_of(load(folder / "01_use_failed.scenario.yaml"))[0])
    assert outcome.findings[0].invariant == "no_task_fails(task='use')"


def test_the_same_seed_finds_the_same_with_another_number_of_processes():
    budget = Budget(jobs=1, runs=12)
    again = explore_scenario(items(RACE), faults=["results_slow"], budget=budget, folder=None)

    searched = explore_scenario(items(RACE), faults=["results_slow"], budget=Budget(jobs=3, runs=12), folder=None)

    assert [one.key for one in again.findings.values()] == [one.key for one in searched.findings.values()]
    assert (sorted(again.states), again.new_states) == (sorted(searched.states), searched.new_states)


def test_all_orders_of_a_small_scenario_are_tried_and_the_report_says_what_no_schedule_does(monkeypatch):
    monkeypatch.setattr(exhaustive, "DEPARTURES", 1)
    monkeypatch.setattr(exhaustive, "DEPARTURES_WITH_FAULT", 0)
    text = "workers: {count: 2}\nsubmit: [{task: use}, {task: create}]\n"
    exploration = explore_scenario(
        items(text), faults=["message_delayed"], budget=Budget(jobs=2), folder=None, exhaustive=True
    )

    lines = list(report_lines("race", exploration))
    assert exploration.proof.startswith("all orders with at most one fault and 1 departures (0 with a fault): ")
    assert exploration.proof.endswith("; none left open")
    assert ("tests.explore.shop.use", "failed") in {key[:2] for key in exploration.findings}
    assert "no schedule within these bounds loses or doubles or hangs use" in lines
    assert "no schedule within these bounds loses or fails or doubles or hangs create" in lines


def test_a_large_scenario_is_not_searched_exhaustively():
    with pytest.raises(InputError) as caught:
        explore_scenario(
            items("submit: [{task: quiet, times: 4}]\n"), faults=["message_delayed"], folder=None, exhaustive=True
        )

    assert str(caught.value) == (
        "--exhaustive is for small scenarios: up to 3 tasks and 2 workers; this one has 4 and 1"
    )


def test_a_decision_that_finds_no_place_fails_the_scenario():
    outcome = played("order: [{at: 0s, tie: 99, next: worker-2}]\n")

    assert outcome.text().splitlines()[0] == (
        "every_decision_applies: tie 99 at 0s: worker-2 was not among those that could go first"
    )
