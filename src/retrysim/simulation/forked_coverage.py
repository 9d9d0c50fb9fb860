"""Gives the lines that pool processes of the machine have run to the coverage of the test, where that is measured."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from retrysim.undo import UndoStack

if TYPE_CHECKING:
    from retrysim.kernel.forked.faces import Faces
    from retrysim.kernel.forked.inside import Link


def share_coverage(undo: UndoStack, faces: Faces) -> None:
    """Whatever a child measures goes to its parent when a task has ended; what a killed one was at is lost.

    It becomes part of the test's when ``undo`` is unwound: coverage.py has one database for each thread.
    """
    measured = _Measured()
    faces.services["coverage"] = lambda _: measured
    faces.in_child.append(_measure_elsewhere)
    undo.then(measured.give)


def _current() -> Any:
    """The measurement of coverage.py that is under way in this process, if any."""
    coverage = sys.modules.get("coverage")
    kind = getattr(coverage, "Coverage", None)
    return None if kind is None else kind.current()


class _Measured:
    """What children have measured: method of ``CoverageData`` → file → lines, or pairs of lines."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, set[Any]]] = {}

    def add(self, method: str, measured: Any) -> None:
        for file, numbers in measured.items():
            self._found.setdefault(method, {}).setdefault(file, set()).update(numbers)

    def give(self) -> None:
        current = _current()
        for method, found in self._found.items() if current is not None else ():
            getattr(current.get_data(), method)(found)


class _Data:
    """Stands in for ``coverage.CoverageData`` under the collector of a child."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def add_lines(self, lines: Any) -> None:
        self._add("add_lines", lines)

    def add_arcs(self, arcs: Any) -> None:
        self._add("add_arcs", arcs)

    def _add(self, method: str, measured: Any) -> None:
        plain = {file: list(numbers) for file, numbers in measured.items() if numbers}
        if plain:
            self._link.call("coverage", "add", method, plain)

    def __getattr__(self, _name: str) -> Any:
        return lambda *_args, **_options: None


def _measure_elsewhere(link: Link) -> None:
    collector = getattr(_current(), "_collector", None)
    if collector is None or not hasattr(collector, "flush_data"):
        return
    collector.covdata = _Data(link)
    link.before_outcome.append(collector.flush_data)
