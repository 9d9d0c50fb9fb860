"""What a project's ``[tool.retrysim]`` says in place of the keys that a scenario file leaves out."""

from __future__ import annotations

from pydantic import ValidationError

from retrysim.project import Project
from retrysim.scenarios.complaint import sentence
from retrysim.scenarios.schema import ScenarioSpec


def with_defaults(spec: ScenarioSpec, project: Project) -> ScenarioSpec:
    """The scenario with the project's values where it has none; of ``env`` each variable is one.

    Raises ``InputError`` for a value of the project that no scenario could have.
    """
    given = {*spec.given, *(("seed",) if "seeds" in spec.given else ())} - {"env"}
    table = {**project.of_simulation, "env": {**project.env, **spec.env}}
    wanted = {key: value for key, value in table.items() if key not in given}
    try:
        defaults = ScenarioSpec.model_validate({"name": spec.name, "app": spec.app, **wanted})
    except ValidationError as invalid:
        [fault, *_] = invalid.errors(include_url=False)
        raise Project.error(str(fault["loc"][0]), sentence(fault)) from None
    names = ScenarioSpec.keys()
    return spec.model_copy(update={names[key]: getattr(defaults, names[key]) for key in wanted})
