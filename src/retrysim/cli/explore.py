"""``retrysim explore``: tries every fault at every point of a scenario, and writes down what it finds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrysim.cli.echo import echo
from retrysim.cli.ending import ExitCode, one_message, show_traceback
from retrysim.cli.importable import current_folder_importable
from retrysim.cli.interrupts import sigterm_is_ctrl_c
from retrysim.cli.progress import wants_progress
from retrysim.errors import InputError
from retrysim.printable import printable_line
from retrysim.project import project_around

if TYPE_CHECKING:
    from retrysim.exploring.exploration import Exploration
    from retrysim.exploring.face import Sharing

_EPILOG = """\b
Examples:
  retrysim explore shop.scenario.yaml
  retrysim explore shop.scenario.yaml --time 60s
\b
Exit code: 0 when nothing new was found, 1 when something was, 2 when the
input is wrong, 3 when retrysim itself fails.
"""
_KIND = "Only this kind of fault (a wrong one lists all); may be repeated."
_ONCE = "[default: each fault once at each point]"


@click.command(epilog=_EPILOG, short_help="Find the faults that a scenario's tasks do not survive.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--item", metavar="ID", help="Which item of the scenario. [default: the first that a worker runs]")
@click.option("--fault", "faults", metavar="KIND", multiple=True, help=_KIND)
@click.option("--time", "seconds", metavar="DURATION", help=f"Search for this much real time. {_ONCE}")
@click.option("--runs", metavar="N", type=click.IntRange(min=1), help=f"Search for N runs. {_ONCE}")
@click.option("--exhaustive", is_flag=True, help="Small scenarios: try all orders within bounds, and say what is left.")
@click.option("--seed", metavar="N", type=click.IntRange(min=0), default=0, help="The seed of what is drawn.")
@click.option("--jobs", metavar="N", type=click.IntRange(min=1), help="Runs at once. [default: one for each core]")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default="found",
    show_default=True,
    help="Where findings are written.",
)
@click.option(
    "--journal",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Note each run here, and make none again that is noted: a search that was ended goes on.",
)
@click.option("--shard", metavar="K/N", help="Make one part of N of the runs, for a CI matrix; see --merge.")
@click.option(
    "--merge",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Take the runs of this journal as made; may be repeated.",
)
@click.option("--dask", metavar="URL", help="Make the runs on this Dask cluster: tcp://...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per cell and line, then a summary.")
@click.option("--markdown", metavar="FILE", type=click.Path(path_type=Path), help="Write the report as Markdown.")
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path), help="Write the report as a page.")
@show_traceback
def explore(file: Path, as_json: bool, traceback: bool, **options: Any) -> None:
    """Find out what the tasks of a scenario survive, and write the smallest schedule that breaks them."""
    with one_message(with_traceback=traceback), current_folder_importable():
        with sigterm_is_ctrl_c():
            exploration = _explored(file, options)
        (_print_json if as_json else _print_text)(file, exploration)
    raise click.exceptions.Exit(ExitCode.FAILS if exploration.new else ExitCode.HOLDS)


def _explored(file: Path, options: dict[str, Any]) -> Exploration:
    from retrysim.durations import SECOND, parse_duration
    from retrysim.exploring.exploration import Budget
    from retrysim.exploring.face import Pages, explore_scenario
    from retrysim.scenarios import items_of, load

    project = project_around(Path.cwd())
    items = items_of(load(file, project=project))
    seconds = None if options["seconds"] is None else parse_duration(options["seconds"]) / SECOND
    budget = Budget(seconds=seconds, runs=options["runs"], jobs=options["jobs"] or 0, seed=options["seed"])
    sharing = _sharing(options)
    progress = _ProgressLine(_name(file, options["item"])) if wants_progress() else None
    try:
        return explore_scenario(
            items,
            wanted=options["item"],
            project=project,
            faults=options["faults"],
            budget=budget,
            folder=options["out"],
            watch=progress.show if progress else None,
            pages=Pages(markdown=options["markdown"], html=options["html"]),
            sharing=sharing,
            exhaustive=options["exhaustive"],
        )
    finally:
        if progress:
            progress.clear()


def _sharing(options: dict[str, Any]) -> Sharing:
    from retrysim.exploring.dask import dask_executor
    from retrysim.exploring.face import Sharing

    executor = dask_executor(options["dask"]) if options["dask"] is not None else None
    shard = _shard(options["shard"]) if options["shard"] is not None else (1, 1)
    return Sharing(executor=executor, shard=shard, journal=options["journal"], merge=options["merge"])


def _shard(text: str) -> tuple[int, int]:
    which, _, parts = text.partition("/")
    if which.isdecimal() and parts.isdecimal() and 1 <= int(which) <= int(parts):
        return int(which), int(parts)
    raise InputError(f"--shard {text!r}: expected which part of how many, such as 3/16")


def _print_json(file: Path, exploration: Exploration) -> None:
    from retrysim.exploring.report import cells_as_json, summary_as_json

    for cell in cells_as_json(exploration):
        echo(json.dumps(cell))
    echo(json.dumps(summary_as_json(str(file), exploration)))


def _print_text(file: Path, exploration: Exploration) -> None:
    from retrysim.exploring.text import report_lines

    for line in report_lines(file.name, exploration):
        echo(line)


def _name(file: Path, item: str | None) -> str:
    return printable_line(f"{file.name}[{item}]" if item else file.name)


class _ProgressLine:
    """The progress on a terminal: what is explored, points done, runs a second, states, findings."""

    def __init__(self, name: str) -> None:
        self._name = name

    def show(self, exploration: Exploration) -> None:
        rate = exploration.runs / max(exploration.seconds, 0.001)
        planned = f" of {exploration.planned}" if exploration.runs <= exploration.planned else ""
        sys.stderr.write(
            f"\r\x1b[K{self._name}: {exploration.runs}{planned} runs, {rate:.0f}/s, "
            f"{len(exploration.states)} states, {len(exploration.findings)} findings"
        )
        sys.stderr.flush()

    def clear(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
