"""The fixtures: ``sim`` for everybody, and ``retrysim.fixture(...)`` to make a project's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from retrysim.errors import InputError
from retrysim.nearest import did_you_mean
from retrysim.pytest_plugin.failures import noting_who_logs
from retrysim.pytest_plugin.reports import remember
from retrysim.pytest_plugin.settings import project_of

if TYPE_CHECKING:
    from retrysim.fakes.fake import Fake
    from retrysim.simulation import Simulation


def simulate(request: pytest.FixtureRequest, **settings: Any) -> Simulation:
    """A simulation for one test: the project's settings, then the fixture's, the marker's, and the option's seed."""
    from retrysim.simulation import Simulation

    simulation = Simulation(**settings_of(request.node, **settings))
    remember(request.node, simulation.trace)
    simulation.replay = f"pytest {request.node.nodeid!r} --retrysim-seed={simulation.seed}"
    return simulation


def settings_of(node: pytest.Item, **settings: Any) -> dict[str, Any]:
    """The keyword arguments of the simulation of one test; of ``conf``, each setting is one."""
    from retrysim.celery.conf_settings import must_be_settings

    given = (project_of(node.config).of_simulation, settings, _of_marker(node))
    settings = {key: value for one in given for key, value in one.items()}
    if confs := [must_be_settings(one.get("conf")) for one in given if "conf" in one]:
        settings["conf"] = {key: value for conf in confs for key, value in conf.items()}
    seed = node.config.getoption("--retrysim-seed")
    return settings if seed is None else {**settings, "seed": seed}


def _of_marker(node: pytest.Item) -> dict[str, Any]:
    """The keyword arguments of the marker; raises ``InputError`` for one that a simulation does not have."""
    from retrysim.simulation import Simulation

    marker = node.get_closest_marker("retrysim")
    if marker is None:
        return {}
    known = list(inspect.signature(Simulation).parameters)
    if marker.args:
        raise InputError("@pytest.mark.retrysim takes keyword arguments only, such as seed=7")
    for name in marker.kwargs:
        if name not in known:
            hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
            raise InputError(f"@pytest.mark.retrysim has no argument {name!r}{hint}")
    return dict(marker.kwargs)


def fixture(
    *,
    app: Any = None,
    fakes: Sequence[Fake] = (),
    concurrency: int = 1,
    eager: bool = False,
    name: str | None = None,
    **settings: Any,
) -> Callable[[pytest.FixtureRequest], Iterator[Simulation]]:
    """A fixture with a project's own set-up: ``celery_sim = retrysim.fixture(app="proj", fakes=[Twitter()])``.

    It gives a ``Simulation`` in which the fakes are served, fresh for each test, and the app's worker runs (``eager``:
    its tasks run where they are submitted). ``settings`` are those of ``Simulation``; a marker's win over them.
    """

    @pytest.fixture(name=name)
    def simulation(request: pytest.FixtureRequest) -> Iterator[Simulation]:
        with noting_who_logs(request.node), simulate(request, **settings) as sim:
            for fake in fakes:
                fake.reset()
                sim.serve(fake)
            if app is not None and eager:
                sim.run_eagerly(app)
            elif app is not None:
                sim.start_worker(app, concurrency=concurrency)
            yield sim

    return simulation
