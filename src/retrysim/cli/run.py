"""``retrysim run``: plays scenario files and says which expectations hold."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrysim.cli.companions import only_with
from retrysim.cli.ending import ExitCode, one_message, show_traceback
from retrysim.cli.importable import current_folder_importable
from retrysim.cli.live_scale import Scale
from retrysim.cli.outcome import Play
from retrysim.cli.printer import JsonPrinter, Printer, TextPrinter
from retrysim.cli.progress import Progress, wants_progress
from retrysim.cli.verdict import Verdict, verdict_of
from retrysim.errors import InputError
from retrysim.project import project_around

if TYPE_CHECKING:
    from retrysim.scenarios import ScenarioItem

_EPILOG = """\b
Example:
  retrysim run scenarios/*.scenario.yaml --json --trace traces
\b
Exit code: 0 when all expectations hold, 1 when one does not, 2 when the input is wrong,
3 when retrysim itself fails.
"""


@click.command(epilog=_EPILOG)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per item and line.")
@click.option(
    "--trace", "trace_dir", metavar="DIR", type=click.Path(path_type=Path), help="Keep each item's trace here."
)
@click.option("--seed", metavar="N", type=click.IntRange(min=0), help="Use this seed instead of those in the files.")
@click.option(
    "--report/--no-report",
    default=None,
    help="Print the figures of each run. [default: on a terminal, for a single file]",
)
@click.option("--live", metavar="URL", help="Play on a real broker: redis://..., amqp://..., or `redis`, `amqp`.")
@click.option(
    "--scale", metavar="N", type=Scale(), default="1", help="With --live: time passes N times as fast, or `auto`."
)
@click.option("--compare", is_flag=True, help="With --live: play the simulation, too, and print both side by side.")
@click.option("--jobs", metavar="N", type=click.IntRange(min=1), default=1, help="With --live: so many side by side.")
@click.option("--times", metavar="N", type=click.IntRange(min=1), default=1, help="With --live: each so many times.")
@show_traceback
def run(
    files: tuple[Path, ...],
    as_json: bool,
    trace_dir: Path | None,
    seed: int | None,
    report: bool | None,
    traceback: bool,
    **live: Any,
) -> None:
    """Play scenario files: one item per scenario, seed and value of a list."""
    if report is None:
        report = len(files) == 1 and sys.stdout.isatty()
    printer: Printer = JsonPrinter() if as_json else TextPrinter(report=report)
    if live["live"] is None:
        only_with("--live", ("scale", "compare", "jobs", "times"))
    with one_message(with_traceback=traceback), current_folder_importable():
        if live["live"] is None:
            verdicts = _play_all(files, seed, trace_dir, printer)
        else:
            verdicts = _play_all_live(files, seed, trace_dir, as_json, live)
    good = all(verdict.is_good for verdict in verdicts)
    raise click.exceptions.Exit(ExitCode.HOLDS if good else ExitCode.FAILS)


def _play_all(files: tuple[Path, ...], seed: int | None, trace_dir: Path | None, printer: Printer) -> list[Verdict]:
    """The verdict on each item; nothing is played before every file is known to be right."""
    items = _items(files, seed)
    play: Play = import_module("retrysim.simulation.player").play
    _make_folder(trace_dir)
    began, verdicts = time.perf_counter(), []
    with Progress(sys.stderr) if wants_progress() else nullcontext() as progress:
        for item in items:
            if (reason := item.skipped) is not None:
                printer.skipped(item, reason)
                verdicts.append(Verdict.SKIPPED)
                continue
            outcome = play(item, trace_dir=trace_dir, watch=progress.watch if progress else None)
            verdict = verdict_of(passed=outcome.passed, known_to_fail=item.scenario.spec.xfail is not None)
            if progress:
                progress.clear()
            printer.item(item, outcome, verdict)
            verdicts.append(verdict)
    printer.end(verdicts, time.perf_counter() - began)
    return verdicts


def _play_all_live(
    files: tuple[Path, ...], seed: int | None, trace_dir: Path | None, as_json: bool, live: dict[str, Any]
) -> list[Verdict]:
    from retrysim.cli.live import LiveOptions, play_all

    items = _items(files, seed)
    _make_folder(trace_dir)
    url = live.pop("live")
    return play_all(items, LiveOptions(url=url, seed=seed, trace_dir=trace_dir, as_json=as_json, **live))


def _items(files: tuple[Path, ...], seed: int | None) -> list[ScenarioItem]:
    """The items of all files; what these leave out is as the project has it that we are in."""
    from retrysim.scenarios import items_of, load

    project = project_around(Path.cwd())
    return [item for file in files for item in items_of(load(file, project=project), seed=seed)]


def _make_folder(folder: Path | None) -> None:
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--trace {folder}: expected a folder that can be written to; {error.strerror}") from None
