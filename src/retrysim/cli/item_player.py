"""Plays one item for ``retrysim run``: its verdict, the text about it, and the files that are kept of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrysim.cli.outcome import ItemOutcome, Play
from retrysim.cli.printer import Printer
from retrysim.cli.progress import Progress, wants_progress
from retrysim.cli.verdict import Verdict, verdict_of

if TYPE_CHECKING:
    from retrysim.scenarios import ScenarioItem
    from retrysim.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """An item that has ended; its text, which is printable and has colours, is still to be printed."""

    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPlayer:
    """Plays items, and keeps their traces and pages where there is a folder for them."""

    play: Play
    printer: Printer
    trace_dir: Path | None = None
    html_dir: Path | None = None

    def played(self, item: ScenarioItem, watch: Callable[[Trace], object] | None = None) -> Played:
        """Play it."""
        outcome = self.play(item, trace_dir=self.trace_dir, watch=watch)
        verdict = verdict_of(passed=outcome.passed, known_to_fail=item.scenario.spec.xfail is not None)
        text = self.printer.item(item, outcome, verdict)
        if self.html_dir is not None:
            _draw(item, outcome, self.html_dir)
        return Played(verdict=verdict, text=text)

    def skipped(self, item: ScenarioItem) -> Played | None:
        """An item that is about other packages than those installed, which is not played."""
        if (reason := item.skipped) is None:
            return None
        return Played(verdict=Verdict.SKIPPED, text=self.printer.skipped(item, reason))

    def crashed(self, item: ScenarioItem, reason: str) -> Played:
        """An item whose process ended before the item did, which no scenario expects."""
        return Played(verdict=Verdict.FAILED, text=self.printer.crashed(item, reason))


def played_here(items: Sequence[ScenarioItem], player: ItemPlayer) -> Generator[Played]:
    """Play the items in this process, one after the other."""
    with Progress(sys.stderr) if wants_progress() else nullcontext() as progress:
        for number, item in enumerate(items, 1):
            if (skipped := player.skipped(item)) is not None:
                yield skipped
                continue
            if progress:
                progress.about(name_of(item), number, len(items))
            played = player.played(item, watch=progress.watch if progress else None)
            if progress:
                progress.clear()
            yield played


def name_of(item: ScenarioItem) -> str:
    """What an item is called while it is played."""
    return f"{Path(item.file).name}[{item.id}]"


def _draw(item: ScenarioItem, outcome: ItemOutcome, folder: Path) -> None:
    """Write the page of an item that was played."""
    from retrysim.playing import trace_file
    from retrysim.reports import html_report

    failure = "" if outcome.passed else outcome.text()
    page = html_report(outcome.trace, title=f"{item.scenario.name} [{item.id}]", failure=failure)
    trace_file(item, folder).with_suffix(".html").write_text(page, encoding="utf-8")
