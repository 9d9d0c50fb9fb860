"""A scenario of a small shop, and an exploration of it."""

from __future__ import annotations

import pytest

from retrysim.exploring.exploration import Budget
from retrysim.exploring.face import explore_scenario
from retrysim.scenarios import items_of, loads

HEAD = """\
name: a shop
app: tests.explore.shop:app
broker: redis
fakes: {shop: {url: "https://shop.example", answer: {ok: true}}}
"""


def items(text):
    return items_of(loads(HEAD + text, file="shop.scenario.yaml"))


@pytest.fixture
def explored(tmp_path):
    """Explores a scenario, with one process; what it finds is in ``tmp_path``."""

    def explore(text, *faults, jobs=1, **more):
        budget = Budget(jobs=jobs, seed=more.pop("seed", 0), runs=more.pop("runs", None))
        folder = tmp_path / "found" if more.pop("writes", True) else None
        return explore_scenario(items(text), faults=faults, budget=budget, folder=folder, **more)

    return explore
