"""``--retrysim-explore`` and ``@pytest.mark.retrysim_explore``: explore a test, and fail it for what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from retrysim.errors import InputError

if TYPE_CHECKING:
    from retrysim.scenarios import ScenarioItem

MARKER = "retrysim_explore"


def text_of_new(item: ScenarioItem, config: pytest.Config, duration: str) -> str | None:
    """What exploring a scenario item finds that nobody has accepted; ``None`` for nothing."""
    from retrysim.durations import SECOND, parse_duration
    from retrysim.exploring.exploration import Budget
    from retrysim.exploring.face import explore_scenario
    from retrysim.exploring.text import report_lines
    from retrysim.pytest_plugin.settings import project_of

    budget = Budget(seconds=parse_duration(duration) / SECOND)
    exploration = explore_scenario((item,), project=project_of(config), budget=budget, folder=config.rootpath / "found")
    return "\n".join(report_lines(item.file, exploration)) if exploration.new else None


def explore_function(function: pytest.Function) -> bool:
    """Explore a test function that is marked, in place of calling it once; ``False`` for one that is not."""
    marker = function.get_closest_marker(MARKER)
    if marker is None:
        return False
    if "sim" not in function.funcargs:
        raise InputError(f"@pytest.mark.{MARKER} is for a test that takes the fixture `sim`")
    from retrysim.exploring.python import explore
    from retrysim.pytest_plugin.fixtures import settings_of

    others = {name: function.funcargs[name] for name in function._fixtureinfo.argnames if name != "sim"}
    given: Any = function.funcargs["sim"]
    given.close()  # each run has a simulation of its own
    settings = _settings(settings_of(function))
    explore(lambda sim: function.obj(sim=sim, **others), **marker.kwargs, **settings).check()
    return True


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """The settings of the simulation; the seed of the marker is that of what is drawn."""
    return {key: value for key, value in given.items() if key != "seed"}
