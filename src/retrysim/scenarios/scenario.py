"""A scenario as it was loaded: the checked values, and the place in the file that each came from."""

from __future__ import annotations

from dataclasses import dataclass, field

from retrysim.errors import ScenarioError
from retrysim.scenarios.document import Document
from retrysim.scenarios.schema import ScenarioSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario file.

    ``spec`` is what it says; what only proves wrong when it is played (a name of an app, fake, task or invariant) is
    reported with ``error``, at the place where it was written.
    """

    spec: ScenarioSpec
    document: Document = field(repr=False)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def file(self) -> str:
        """The file, as it was named to the loader."""
        return self.document.file

    @property
    def line(self) -> int:
        """The line on which the scenario is named."""
        return self.document.position(("name",)).line

    def where(self, *path: str | int) -> str:
        """``file:line:column`` of a value, given the way to it: ``where("submit", 0, "task")``.

        What the file does not have is where the mapping is that would hold it.
        """
        return self.document.where(path)

    def error(self, path: tuple[str | int, ...], message: str) -> ScenarioError:
        """An error about the value at ``path``; it reads ``file:line:column: key: message``."""
        return self.document.error(path, message)
