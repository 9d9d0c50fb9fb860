"""``retrysim run``: plays scenario files and says which expectations hold."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import click

from retrysim.cli.ending import ExitCode, one_message, show_traceback
from retrysim.cli.outcome import Play
from retrysim.cli.printer import JsonPrinter, Printer, TextPrinter
from retrysim.cli.verdict import Verdict, verdict_of
from retrysim.errors import InputError

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
@show_traceback
def run(files: tuple[Path, ...], as_json: bool, trace_dir: Path | None, seed: int | None, traceback: bool) -> None:
    """Play scenario files: one item per scenario, seed and value of a list."""
    with one_message(with_traceback=traceback), current_folder_importable():
        verdicts = _play_all(files, seed, trace_dir, JsonPrinter() if as_json else TextPrinter())
    good = all(verdict.is_good for verdict in verdicts)
    raise click.exceptions.Exit(ExitCode.HOLDS if good else ExitCode.FAILS)


def _play_all(files: tuple[Path, ...], seed: int | None, trace_dir: Path | None, printer: Printer) -> list[Verdict]:
    """The verdict on each item; nothing is played before every file is known to be right."""
    from retrysim.scenarios import items_of, load

    items = [item for file in files for item in items_of(load(file), seed=seed)]
    play: Play = import_module("retrysim.simulation.player").play
    _make_folder(trace_dir)
    began, verdicts = time.perf_counter(), []
    for item in items:
        outcome = play(item, trace_dir=trace_dir)
        verdict = verdict_of(passed=outcome.passed, known_to_fail=item.scenario.spec.xfail is not None)
        printer.item(item, outcome, verdict)
        verdicts.append(verdict)
    printer.end(verdicts, time.perf_counter() - began)
    return verdicts


def _make_folder(folder: Path | None) -> None:
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--trace {folder}: expected a folder that can be written to; {error.strerror}") from None


@contextmanager
def current_folder_importable() -> Iterator[None]:
    """Puts the current folder first on ``sys.path``, as ``celery -A`` does, so that an app beside it is found."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
