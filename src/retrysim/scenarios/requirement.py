"""What must be installed for a scenario to mean anything: ``requires: celery>=5.7``."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import BeforeValidator

from retrysim.scenarios.kinds import Text, expected


def unmet(requirements: Iterable[str]) -> str | None:
    """Why a scenario is skipped here: ``requires celery>=5.7, and 5.4.0 is installed``; ``None`` if it is not."""
    for text in requirements:
        requirement = Requirement(text)
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            return f"requires {text}, which is not installed"
        if not requirement.specifier.contains(installed, prereleases=True):
            return f"requires {text}, and {installed} is installed"
    return None


def _checked(value: Any) -> Any:
    if isinstance(value, str):
        try:
            Requirement(value)
        except InvalidRequirement:
            raise expected("a package and its versions, such as celery>=5.7") from None
    return value


RequirementText = Annotated[Text, BeforeValidator(_checked)]
