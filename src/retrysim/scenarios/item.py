"""An item: one way to play a scenario, that is one value of each list where the file gives several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from retrysim.errors import ScenarioError
from retrysim.scenarios.expectation import Expect
from retrysim.scenarios.kinds import Broker, CeleryMode
from retrysim.scenarios.requirement import unmet
from retrysim.scenarios.scenario import Scenario
from retrysim.scenarios.schema import ScenarioSpec
from retrysim.scenarios.workers import WorkerSet, WorkerSpec, crews_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioItem:
    """One item of a scenario.

    ``id`` is unique in its scenario; ``broker`` is ``None`` where the app's own URL says it; without a worker
    (``eager``, ``always_eager``) the broker and the workers mean nothing. ``expect`` is
    what is expected of this item, its overrides included.
    """

    scenario: Scenario
    id: str
    seed: int
    celery: CeleryMode
    broker: Broker | None
    crew: WorkerSet
    expect: Expect

    @property
    def workers(self) -> tuple[WorkerSpec, ...]:
        """The workers that run the tasks."""
        return self.crew.workers

    @property
    def skipped(self) -> str | None:
        """Why it is not played here: ``requires celery>=5.7, and 5.4.0 is installed``."""
        return unmet(self.scenario.spec.requires)

    @property
    def file(self) -> str:
        return self.scenario.file

    @property
    def line(self) -> int:
        return self.scenario.line

    def expectation_error(self, key: str, message: str, *inside: str | int) -> ScenarioError:
        """An error about an expectation of this item (or a value inside it), at the block that it comes from."""
        return self.scenario.error((self.scenario.spec.block_of(key, self.celery), key, *inside), message)


def items_of(scenario: Scenario, *, seed: int | None = None) -> tuple[ScenarioItem, ...]:
    """The items of a scenario, in the order of its lists; a ``seed`` takes the place of those in the file.

    An id begins with the way Celery is run and names each further value that the file lists several of, and a seed that
    is not the file's: ``worker``, ``worker-redis``, ``worker-gevent``, ``worker-4`` (concurrency), ``worker-2x4``
    (workers of that concurrency), ``worker-fast-4-slow-2x1`` (each group of workers by its name), ``eager-seed7``.
    """
    spec = scenario.spec
    seeds = (seed,) if seed is not None else spec.seeds or (spec.seed,)
    names_seed = seed is not None or len(seeds) > 1
    return tuple(
        _item(scenario, surroundings, one_seed, names_seed=names_seed)
        for mode in spec.celery
        for surroundings in _surroundings(spec, mode)
        for one_seed in seeds
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Surroundings:
    celery: CeleryMode
    broker: Broker | None
    crew: WorkerSet
    label: str


def _surroundings(spec: ScenarioSpec, mode: CeleryMode) -> list[_Surroundings]:
    """Each broker with each crew of workers; one only where no worker runs."""
    brokers = spec.broker or (None,)
    surroundings = [
        _Surroundings(
            celery=mode,
            broker=broker,
            crew=crew,
            label="-".join([mode, *([broker] if broker is not None and len(brokers) > 1 else []), *crew.label]),
        )
        for broker, crew in product(brokers, crews_of(spec.workers))
    ]
    return surroundings if mode == "worker" else [replace(surroundings[0], label=mode)]


def _item(scenario: Scenario, surroundings: _Surroundings, seed: int, *, names_seed: bool) -> ScenarioItem:
    return ScenarioItem(
        scenario=scenario,
        id=f"{surroundings.label}-seed{seed}" if names_seed else surroundings.label,
        seed=seed,
        celery=surroundings.celery,
        broker=surroundings.broker,
        crew=surroundings.crew,
        expect=scenario.spec.expected_of(surroundings.celery),
    )
