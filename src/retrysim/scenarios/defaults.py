"""What a project's ``[tool.retrysim]`` says in place of the keys that a scenario file leaves out."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from retrysim.project import Project
from retrysim.scenarios.error_text import sentence
from retrysim.scenarios.schema import ScenarioSpec
from retrysim.scenarios.worker_groups import WorkerGroup, Workers

AnyWorkers = TypeVar("AnyWorkers", Workers, WorkerGroup)


def with_defaults(spec: ScenarioSpec, project: Project) -> ScenarioSpec:
    """The scenario with the project's values where it has none; each variable (``env``) and setting (``conf``) is one.

    Raises ``InputError`` for a value of the project that no scenario could have.
    """
    given = {*spec.given, *(("seed",) if "seeds" in spec.given else ())} - {"env", "conf"}
    of_simulation = {key: value for key, value in project.of_simulation.items() if key != "isolated"}
    conf = {**project.of_simulation.get("conf", {}), **spec.conf}
    table = {**of_simulation, "env": {**project.env, **spec.env}, "conf": conf}
    wanted = {key: value for key, value in table.items() if key not in given}
    try:
        defaults = ScenarioSpec.model_validate({"name": spec.name, "app": spec.app, **wanted})
    except ValidationError as invalid:
        [fault, *_] = invalid.errors(include_url=False)
        raise Project.error(str(fault["loc"][0]), sentence(fault)) from None
    names = ScenarioSpec.keys()
    update = {names[key]: getattr(defaults, names[key]) for key in wanted}
    if project.of_simulation.get("isolated"):
        groups = tuple(_isolated(group) for group in spec.workers.groups)
        update["workers"] = spec.workers.model_copy(update={"groups": groups}) if groups else _isolated(spec.workers)
    return spec.model_copy(update=update)


def _isolated(workers: AnyWorkers) -> AnyWorkers:
    """The workers, each pool process a process of the machine, unless the file says it otherwise."""
    return workers if "isolated" in workers.given else workers.model_copy(update={"isolated": True})
