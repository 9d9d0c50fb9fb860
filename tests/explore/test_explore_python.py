"""``retrysim.explore(...)`` over a function and a scenario file, and over tests of pytest."""

from __future__ import annotations

import pytest
from tests.explore import shop
from tests.explore.conftest import HEAD

import retrysim
from retrysim.errors import InputError, Violation
from retrysim.fakes import API

pytestmark = pytest.mark.slow


def pushes_one(sim):
    sim.serve(API(shop.API))
    sim.start_worker(shop.app)
    shop.push.delay()
    sim.run()
    assert sim.states == {"SUCCESS": 1}


def test_a_function_is_explored_and_its_findings_are_as_small_as_they_can_be():
    exploration = retrysim.explore(pushes_one, faults=["message_doubled", "api_5xx"], jobs=2)

    (finding,) = exploration.new
    assert (finding.task, finding.worst) == ("tests.explore.shop.push", "twice")
    assert finding.trial.decisions == [
        {"name": "message_doubled", "duplicate": {"task": "tests.explore.shop.push", "retries": 0}}
    ]
    with pytest.raises(Violation, match="push has its effect twice: message doubled at push#1, after it was sent"):
        exploration.check()


def test_what_is_accepted_is_not_new():
    exploration = retrysim.explore(pushes_one, faults=["message_doubled"], accept=[{"twice": "push"}], jobs=2)

    assert exploration.new == []
    exploration.check()


def test_a_function_that_fails_without_a_fault_is_one_clear_error():
    def wrong(sim):
        sim.start_worker(shop.app)
        shop.quiet.delay()
        sim.run()
        assert sim.states == {"SUCCESS": 2}

    with pytest.raises(
        InputError, match=r"the scenario fails without any fault, so nothing was explored: AssertionError"
    ):
        retrysim.explore(wrong, faults=["message_doubled"], jobs=1)


def test_a_function_without_a_worker_is_one_clear_error():
    with pytest.raises(Exception, match="the function starts no worker, and a worker is what breaks"):
        retrysim.explore(lambda sim: None, jobs=1)


def test_a_scenario_file_has_its_own_settings(tmp_path):
    file = tmp_path / "shop.scenario.yaml"
    file.write_text(HEAD + "submit: [{task: quiet}]\n")

    with pytest.raises(InputError, match="a scenario file has settings of its own: leave start out"):
        retrysim.explore(file, start="2020-01-01T00:00:00Z")

    exploration = retrysim.explore(file, faults=["message_doubled"], accept=[{"twice": "*"}], jobs=1)
    assert exploration.new == []


PYTEST = """
import pytest
from retrysim.fakes import API
from tests.explore import shop

@pytest.mark.retrysim(start="2021-01-01T00:00:00Z")
@pytest.mark.retrysim_explore(faults=["message_doubled"], jobs=1)
def test_push(sim):
    sim.serve(API(shop.API))
    sim.start_worker(shop.app)
    shop.push.delay()
    sim.run()
"""


def test_pytest_explores_what_is_marked_and_scenarios_by_option(pytester, monkeypatch):
    monkeypatch.syspath_prepend(str(__import__("pathlib").Path(__file__).parents[2]))
    pytester.makepyfile(test_push=PYTEST)
    (pytester.path / "shop.scenario.yaml").write_text(
        HEAD + "submit: [{task: quiet}]\naccept: [{twice: quiet}, {lost: quiet}, {failed: quiet}, {late: quiet}]\n"
    )
    (pytester.path / "push.scenario.yaml").write_text(HEAD + "submit: [{task: quiet}]\n")

    result = pytester.runpytest_inprocess("-q", "-p", "no:randomly", "--retrysim-explore=5s")

    result.assert_outcomes(passed=1, failed=2)
    text = result.stdout.str()
    assert "1. push has its effect twice: message doubled at push#1, after it was sent" in text
    assert "found/01_quiet_lost.scenario.yaml" in text
