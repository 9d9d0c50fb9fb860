"""What ``retrysim run`` prints: a JSON object per item, or lines for a person."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import click

from retrysim.cli.outcome import Outcome
from retrysim.cli.verdict import Verdict

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
    """Hears of each item when it has ended, and of the end."""

    def item(self, item: ScenarioItem, outcome: Outcome, verdict: Verdict) -> None: ...

    def skipped(self, item: ScenarioItem, reason: str) -> None: ...

    def end(self, verdicts: list[Verdict], seconds: float) -> None: ...


class JsonPrinter:
    """One JSON object per item and line."""

    def item(self, item: ScenarioItem, outcome: Outcome, verdict: Verdict) -> None:
        xfail = item.scenario.spec.xfail
        click.echo(json.dumps({**outcome.as_json(), **({"xfail": xfail} if xfail else {})}))

    def skipped(self, item: ScenarioItem, reason: str) -> None:
        told = {"scenario": item.scenario.spec.name, "file": item.file, "item": item.id, "seed": item.seed}
        click.echo(json.dumps({**told, "skipped": reason}))

    def end(self, verdicts: list[Verdict], seconds: float) -> None:
        pass


class TextPrinter:
    """A line per item, after it what is to be said of one that failed, and the counts in the end.

    With ``report``, the figures of each run follow its line.
    """

    def __init__(self, *, report: bool = False) -> None:
        self._report = report

    def item(self, item: ScenarioItem, outcome: Outcome, verdict: Verdict) -> None:
        word = click.style(verdict.value, fg=_COLOURS[verdict])
        click.echo(f"{word}  {item.file}[{item.id}]" + _remark(item, outcome, verdict))
        if verdict is Verdict.FAILED:
            click.echo(outcome.text() + "\n")
        if self._report:
            from retrysim.reports import terminal_report

            click.echo(f"\n{terminal_report(outcome.trace, width=terminal_width())}")

    def skipped(self, item: ScenarioItem, reason: str) -> None:
        word = click.style(Verdict.SKIPPED.value, fg=_COLOURS[Verdict.SKIPPED])
        click.echo(f"{word}  {item.file}[{item.id}]  {reason}")

    def end(self, verdicts: list[Verdict], seconds: float) -> None:
        counts = Counter(verdicts)
        shown = [click.style(f"{counts[one]} {one.value}", fg=_COLOURS[one]) for one in Verdict if counts[one]]
        click.echo(f"{', '.join(shown)} in {seconds:.2f} s")


def terminal_width() -> int:
    """As wide as the terminal, but no wider than is read well; 80 where there is none."""
    return max(80, min(110, shutil.get_terminal_size((80, 24)).columns))


def _remark(item: ScenarioItem, outcome: Outcome, verdict: Verdict) -> str:
    match verdict:
        case Verdict.PASSED:
            return f"  {outcome.summary()}"
        case Verdict.XFAILED:
            return f"  {item.scenario.spec.xfail}"
        case Verdict.XPASSED:
            return f'  it passed, but its xfail says "{item.scenario.spec.xfail}": remove that key'
    return ""
