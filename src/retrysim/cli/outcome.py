"""The seam to the scenario player: what it is asked, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from retrysim.scenarios.item import ScenarioItem
    from retrysim.trace import Trace


class ItemOutcome(Protocol):
    """How one item ended."""

    @property
    def trace(self) -> Trace: ...

    @property
    def passed(self) -> bool: ...

    def as_json(self) -> Mapping[str, object]:
        """The object that ``--json`` prints."""
        ...

    def summary(self) -> str:
        """One line about an item that passed."""
        ...

    def text(self) -> str:
        """What a person reads about one that failed; it begins with the expectation that does not hold."""
        ...


class Play(Protocol):
    """Plays one item of a scenario, and keeps its trace if there is a folder for it.

    ``watch`` receives the trace when the run begins.
    """

    def __call__(
        self, item: ScenarioItem, *, trace_dir: Path | None = None, watch: Callable[[Trace], object] | None = None
    ) -> ItemOutcome: ...
