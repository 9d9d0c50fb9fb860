"""The fixtures: ``sim`` for everybody, and ``retrysim.fixture(...)`` to make a project's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
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

    __tracebackhide__ = True  # pytest shows the message alone
    simulation = Simulation(**settings_of(request.node, **settings))
    remember(request.node, simulation.trace)
    simulation.replay = f"pytest {request.node.nodeid!r} --retrysim-seed={simulation.seed}"
    return simulation


def settings_of(node: pytest.Item, **settings: Any) -> dict[str, Any]:
    """The keyword arguments of the simulation of one test; of ``conf``, each setting is one."""
    from retrysim.celery.conf_settings import must_be_settings

    __tracebackhide__ = True
    given = (project_of(node.config).of_simulation, settings, _of_marker(node))
    settings = {key: value for one in given for key, value in one.items()}
    if confs := [must_be_settings(one.get("conf")) for one in given if "conf" in one]:
        settings["conf"] = {key: value for conf in confs for key, value in conf.items()}
    seed = node.config.getoption("--retrysim-seed")
    return settings if seed is None else {**settings, "seed": seed}


def _of_marker(node: pytest.Item) -> dict[str, Any]:
    """The keyword arguments of the marker; raises ``InputError`` for one that a simulation does not have."""
    __tracebackhide__ = True
    marker = node.get_closest_marker("retrysim")
    if marker is None:
        return {}
    if marker.args:
        raise InputError("@pytest.mark.retrysim takes keyword arguments only, such as seed=7")
    _must_be_known(marker.kwargs, "@pytest.mark.retrysim")
    return dict(marker.kwargs)


def _must_be_known(given: Iterable[str], whose: str, *others: str) -> None:
    """Raise ``InputError`` for an argument that is neither a simulation's nor one of the others."""
    from retrysim.simulation import Simulation

    __tracebackhide__ = True
    known = [*others, *inspect.signature(Simulation).parameters]
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
            raise InputError(f"{whose} has no argument {name!r}{hint}")


def fixture(
    *,
    app: Any = None,
    fakes: Sequence[Fake] = (),
    concurrency: int = 1,
    queues: str | Sequence[str] | None = None,
    eager: bool = False,
    name: str | None = None,
    **settings: Any,
) -> Callable[[pytest.FixtureRequest], Iterator[Simulation]]:
    """A fixture with a project's own set-up: ``celery_sim = retrysim.fixture(app="proj", fakes=[Twitter()])``.

    It gives a ``Simulation`` in which the fakes are served, fresh for each test, and the app's worker runs (``eager``:
    its tasks run where they are submitted). The worker consumes the app's own queues, or ``queues``, as with
    ``celery worker -Q``. ``settings`` are those of ``Simulation``; a marker's win over them.
    """

    options: dict[str, Any] = {} if queues is None else {"queues": queues}

    @pytest.fixture(name=name)
    def simulation(request: pytest.FixtureRequest) -> Iterator[Simulation]:
        __tracebackhide__ = True
        _must_be_known(settings, "retrysim.fixture", "app", "fakes", "concurrency", "queues", "eager", "name")
        with noting_who_logs(request.node) as log, simulate(request, **settings) as sim:
            for fake in fakes:
                fake.reset()
                sim.serve(fake)
            if app is not None and eager:
                sim.run_eagerly(app)
            elif app is not None:
                sim.start_worker(app, concurrency=concurrency, **options)
            yield sim
            log.over = True

    return simulation
