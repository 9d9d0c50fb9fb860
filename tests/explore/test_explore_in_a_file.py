"""Runs that would meet in a file of SQLite are made one after the other, and a setup that fails is named."""

import pytest
from tests.explore.conftest import items

from retrysim.errors import InputError
from retrysim.exploring.bad_input import check_base
from retrysim.exploring.face import share_databases
from retrysim.exploring.trial import TrialResult


@pytest.mark.parametrize(
    ("allowed", "meet"),
    [("sqlite:///shop.db", True), ("data/", True), ("localhost:5432", False), ("postgresql://localhost/shop", False)],
)
def test_runs_meet_in_a_file_that_all_of_them_may_open(allowed, meet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    [item] = items(f"allow: ['{allowed}']\nsubmit: [{{task: quiet}}]\n")

    assert share_databases(item) is meet


def test_a_setup_that_failed_in_the_second_run_is_not_called_an_app_that_is_not_deterministic():
    with pytest.raises(InputError) as caught:
        check_base(
            TrialResult(), TrialResult(unapplied="setup: shop:fill ended with OperationalError: database is locked")
        )

    assert str(caught.value) == (
        "the scenario fails without any fault, so nothing was explored: "
        "setup: shop:fill ended with OperationalError: database is locked"
    )
