"""What ``retrysim run`` prints: a JSON object per item, or lines for a person."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import click

from retrysim.cli.echo import echo
from retrysim.cli.outcome import ItemOutcome
from retrysim.cli.verdict import Verdict
from retrysim.printable import printable

if TYPE_CHECKING:
    from retrysim.scenarios.item import ScenarioItem

_COLOURS: Mapping[Verdict, str] = {
    Verdict.PASSED: "green",
    Verdict.FAILED: "red",
    Verdict.XFAILED: "yellow",
    Verdict.SKIPPED: "yellow",
    Verdict.XPASSED: "red",
}


class Printer(Protocol):
    """Writes the text about each item, with colours, and prints the end.

    The process that plays an item writes its text. The one that the command began with prints it.
    """

    def item(self, item: ScenarioItem, outcome: ItemOutcome, verdict: Verdict) -> str: ...

    def skipped(self, item: ScenarioItem, reason: str) -> str: ...

    def crashed(self, item: ScenarioItem, reason: str) -> str: ...

    def end(self, verdicts: list[Verdict], seconds: float) -> None: ...


class JsonPrinter:
    """One JSON object per item and line."""

    def item(self, item: ScenarioItem, outcome: ItemOutcome, verdict: Verdict) -> str:
        xfail = item.scenario.spec.xfail
        return json.dumps({**outcome.as_json(), **({"xfail": xfail} if xfail else {})})

    def skipped(self, item: ScenarioItem, reason: str) -> str:
        return json.dumps({**self._names(item), "skipped": reason})

    def crashed(self, item: ScenarioItem, reason: str) -> str:
        return json.dumps({**self._names(item), "passed": False, "error": reason})

    def end(self, verdicts: list[Verdict], seconds: float) -> None:
        pass

    def _names(self, item: ScenarioItem) -> dict[str, object]:
        return {"scenario": item.scenario.spec.name, "file": item.file, "item": item.id, "seed": item.seed}


class TextPrinter:
    """A line per item, after it what is to be said of one that failed, and the counts in the end.

    With ``report``, the figures of each run follow its line.
    """

    def __init__(self, *, report: bool = False) -> None:
        self._report = report
        self._width = terminal_width()

    def item(self, item: ScenarioItem, outcome: ItemOutcome, verdict: Verdict) -> str:
        lines = [_line(item, verdict, _remark(item, outcome, verdict))]
        if verdict is Verdict.FAILED:
            lines.append(printable(outcome.text() + "\n"))
        if self._report:
            from retrysim.reports import terminal_report

            lines.append(f"\n{terminal_report(outcome.trace, width=self._width)}")
        return "\n".join(lines)

    def skipped(self, item: ScenarioItem, reason: str) -> str:
        return _line(item, Verdict.SKIPPED, f"  {reason}")

    def crashed(self, item: ScenarioItem, reason: str) -> str:
        replay = f"replay: retrysim run {item.file} --seed {item.seed}"
        return _line(item, Verdict.FAILED) + "\n" + printable(f"{reason}\n{replay}\n")

    def end(self, verdicts: list[Verdict], seconds: float) -> None:
        counts = Counter(verdicts)
        shown = [click.style(f"{counts[one]} {one.value}", fg=_COLOURS[one]) for one in Verdict if counts[one]]
        echo(f"{', '.join(shown)} in {seconds:.2f} s", styled=True)


def terminal_width() -> int:
    """As wide as the terminal, but no wider than is read well; 80 where there is none."""
    return max(80, min(110, shutil.get_terminal_size((80, 24)).columns))


def _line(item: ScenarioItem, verdict: Verdict, remark: str = "") -> str:
    return f"{click.style(verdict.value, fg=_COLOURS[verdict])}  " + printable(f"{item.file}[{item.id}]{remark}")


def _remark(item: ScenarioItem, outcome: ItemOutcome, verdict: Verdict) -> str:
    match verdict:
        case Verdict.PASSED:
            return f"  {outcome.summary()}"
        case Verdict.XFAILED:
            return f"  {item.scenario.spec.xfail}"
        case Verdict.XPASSED:
            return f'  it passed, but its xfail says "{item.scenario.spec.xfail}": remove that key'
    return ""
