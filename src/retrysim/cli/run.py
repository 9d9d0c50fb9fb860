"""``retrysim run``: plays scenario files and says which expectations hold."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrysim.cli.companions import only_with
from retrysim.cli.echo import echo
from retrysim.cli.ending import ExitCode, one_message, show_traceback
from retrysim.cli.importable import current_folder_importable
from retrysim.cli.item_player import ItemPlayer, played_here
from retrysim.cli.live_scale import Scale
from retrysim.cli.numbers import JOBS_OR_AUTO, SEED, Whole
from retrysim.cli.printer import JsonPrinter, Printer, TextPrinter
from retrysim.cli.scenario_files import scenario_files
from retrysim.cli.verdict import Verdict
from retrysim.errors import InputError, ScenarioError
from retrysim.project import project_around

if TYPE_CHECKING:
    from collections.abc import Generator

    from retrysim.cli.item_player import Played
    from retrysim.scenarios import ScenarioItem

_EPILOG = """\b
Examples:
  retrysim run scenarios/*.scenario.yaml --json --trace traces
  retrysim run scenarios --html pages
  retrysim run scenarios --jobs auto
\b
Exit code: 0 when all expectations hold, 1 when one does not, 2 when the
input is wrong, 3 when retrysim itself fails.
"""


@click.command(epilog=_EPILOG, short_help="Play scenario files.")
@click.argument("files", metavar="FILE|DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per item and line.")
@click.option(
    "--trace", "trace_dir", metavar="DIR", type=click.Path(path_type=Path), help="Keep each item's trace here."
)
@click.option("--html", "html_dir", metavar="DIR", type=click.Path(path_type=Path), help="Write each item's page here.")
@click.option("--seed", metavar="N", type=SEED, help="Use this seed instead of those in the files.")
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
@click.option("--jobs", metavar="N", type=JOBS_OR_AUTO, default=1, help="Play N items in parallel; `auto`: all cores.")
@click.option("--times", metavar="N", type=Whole(1, 10_000), default=1, help="With --live: repeat each item N times.")
@show_traceback
def run(
    files: tuple[Path, ...],
    as_json: bool,
    trace_dir: Path | None,
    html_dir: Path | None,
    seed: int | None,
    report: bool | None,
    traceback: bool,
    **live: Any,
) -> None:
    """Play scenario files, also all in a folder: one item per scenario, seed and value of a list."""
    if report is None:
        report = len(files) == 1 and not files[0].is_dir() and sys.stdout.isatty()
    if html_dir is not None and live["live"] is not None:
        raise click.UsageError("--html draws simulated runs; leave out --live, or keep traces with --trace")
    printer: Printer = JsonPrinter() if as_json else TextPrinter(report=report)
    if live["live"] is None:
        only_with("--live", ("scale", "compare", "times"))
    with one_message(with_traceback=traceback), current_folder_importable():
        if live["live"] is None:
            verdicts = _play_all(files, seed, trace_dir, html_dir, printer, live["jobs"])
        else:
            verdicts = _play_all_live(files, seed, trace_dir, as_json, live)
    good = all(verdict.is_good for verdict in verdicts)
    raise click.exceptions.Exit(ExitCode.HOLDS if good else ExitCode.FAILS)


def _play_all(
    files: tuple[Path, ...],
    seed: int | None,
    trace_dir: Path | None,
    html_dir: Path | None,
    printer: Printer,
    jobs: int,
) -> list[Verdict]:
    """The verdict on each item; nothing is played before every file is known to be right."""
    items = _items(files, seed)
    play = import_module("retrysim.simulation.player").play
    _make_folder("--trace", trace_dir)
    _make_folder("--html", html_dir)
    player = ItemPlayer(play=play, printer=printer, trace_dir=trace_dir, html_dir=html_dir)
    began, verdicts = time.perf_counter(), []
    with closing(_played(items, player, jobs)) as played:
        for one in played:
            echo(one.text, styled=True)
            verdicts.append(one.verdict)
    printer.end(verdicts, time.perf_counter() - began)
    return verdicts


def _played(items: list[ScenarioItem], player: ItemPlayer, jobs: int) -> Generator[Played]:
    if jobs == 1 or len(items) == 1:
        return played_here(items, player)
    from retrysim.cli.parallel import played_in_parallel

    return played_in_parallel(items, player, jobs)


def _play_all_live(
    files: tuple[Path, ...], seed: int | None, trace_dir: Path | None, as_json: bool, live: dict[str, Any]
) -> list[Verdict]:
    from retrysim.cli.live import LiveOptions, play_all

    items = _items(files, seed)
    _make_folder("--trace", trace_dir)
    url = live.pop("live")
    return play_all(items, LiveOptions(url=url, seed=seed, trace_dir=trace_dir, as_json=as_json, **live))


def _items(files: tuple[Path, ...], seed: int | None) -> list[ScenarioItem]:
    """The items of all files; what these leave out is as the project has it that we are in."""
    from retrysim.scenarios import items_of, load

    project = project_around(Path.cwd())
    items: list[ScenarioItem] = []
    wrong: list[str] = []
    for file in scenario_files(files):
        try:
            items += items_of(load(file, project=project), seed=seed)
        except ScenarioError as error:
            wrong.append(str(error))
    if wrong:
        raise ScenarioError("\n".join(wrong))
    return items


def _make_folder(option: str, folder: Path | None) -> None:
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{option} {folder}: expected a folder that can be written to; {error.strerror}") from None
