"""``retrysim trace``: prints a stored trace, draws it, and compares two."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrysim.cli.echo import echo
from retrysim.cli.ending import ExitCode, one_message, show_traceback
from retrysim.cli.printer import terminal_width
from retrysim.errors import InputError

if TYPE_CHECKING:
    from retrysim.trace import Event, Trace

_EPILOG = """\b
Examples:
  retrysim run scenarios/user_200_calls.scenario.yaml --trace traces
  retrysim trace traces/user_200_calls-worker.ndjson --task fetch_tweets
  retrysim trace traces/user_200_calls-worker.ndjson --html report.html
  retrysim trace --diff before.ndjson after.ndjson
\b
Exit code: 0; with --diff 1 when the runs differ; 2 when the input is wrong,
3 when retrysim itself fails.
"""
_FILE = click.Path(path_type=Path)


@click.command(epilog=_EPILOG, short_help="Print a stored trace, draw it, or compare two.")
@click.argument("file", metavar="[FILE]", required=False, type=_FILE)
@click.option(
    "--task", "tasks", metavar="NAME|ID", multiple=True, help="Only these tasks: a name, or how an id begins."
)
@click.option("--worker", "workers", metavar="NAME", multiple=True, help="Only tasks that this worker had.")
@click.option(
    "--fake", "fakes", metavar="NAME", multiple=True, help="Only tasks that called this fake, and those calls."
)
@click.option("--each", is_flag=True, help="A line for each event, also where many are alike.")
@click.option("--report", is_flag=True, help="Print the figures of the run instead of its timeline.")
@click.option("--json", "as_json", is_flag=True, help="Print the (selected) events as they are on disk, one a line.")
@click.option("--html", metavar="OUT", type=_FILE, help="Write a page that holds everything: plots, tasks, stories.")
@click.option("--svg", metavar="OUT", type=_FILE, help="Write the two plots: calls per window, and the attempts.")
@click.option("--perfetto", metavar="OUT", type=_FILE, help="Write trace events for https://ui.perfetto.dev.")
@click.option("--diff", metavar="A B", nargs=2, type=_FILE, help="Say where two runs part.")
@show_traceback
def trace(
    file: Path | None,
    tasks: tuple[str, ...],
    workers: tuple[str, ...],
    fakes: tuple[str, ...],
    each: bool,
    report: bool,
    as_json: bool,
    html: Path | None,
    svg: Path | None,
    perfetto: Path | None,
    diff: tuple[Path, Path] | None,
    traceback: bool,
) -> None:
    """Print a stored trace as a timeline, write pictures of it, or compare two."""
    if (file is None) == (diff is None):
        raise click.UsageError("expected a trace (retrysim run --trace DIR keeps them), or --diff with two")
    if diff is not None and (html or svg or perfetto or report or each):
        raise click.UsageError("--html, --svg, --perfetto, --report and --each are of one run: leave out --diff")
    if as_json + report + each > 1:
        raise click.UsageError("expected one of --json, --report and --each")
    with one_message(with_traceback=traceback):
        from retrysim.reports import selected

        select = partial(selected, tasks=tasks, workers=workers, fakes=fakes)
        if diff is not None:
            left, right = diff
            _compare(select(_read(left)), select(_read(right)), (str(left), str(right)), as_json=as_json)
        if file is not None:
            chosen = select(_read(file))
            _write(chosen, title=file.name.removesuffix(".ndjson"), html=html, svg=svg, perfetto=perfetto)
            if as_json or report or not (html or svg or perfetto):
                _print(chosen, as_json=as_json, report=report, each=each)


def _read(file: Path) -> Trace:
    from retrysim.trace import load_ndjson

    try:
        return load_ndjson(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{file}: expected a trace, as `retrysim run --trace DIR` keeps it; {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: not a trace of retrysim: expected text in UTF-8") from None
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _write(trace: Trace, *, title: str, html: Path | None, svg: Path | None, perfetto: Path | None) -> None:
    """Write the pictures that were asked for, and say where they are."""
    from retrysim.reports import html_report, perfetto_report, svg_report

    wanted: list[tuple[Path | None, Callable[[], str]]] = [
        (html, lambda: html_report(trace, title=title)),
        (svg, lambda: svg_report(trace)),
        (perfetto, lambda: perfetto_report(trace)),
    ]
    for out, draw in wanted:
        if out is None:
            continue
        text = draw()
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{out}: expected a file that can be written; {error.strerror}") from None
        echo(f"wrote {out}", err=True)


def _print(trace: Trace, *, as_json: bool, report: bool, each: bool) -> None:
    from retrysim.reports import terminal_report, timeline
    from retrysim.trace import dump_ndjson

    if as_json:
        echo(dump_ndjson(trace), nl=False)
    elif report:
        echo(terminal_report(trace, width=terminal_width()), nl=False, styled=True)
    else:
        for line in timeline(trace, each=each):
            echo(line)


def _compare(left: Trace, right: Trace, names: tuple[str, str], *, as_json: bool) -> None:
    """Say where two runs part; ends the command with exit code 1 when they do."""
    from retrysim.reports import difference, difference_text

    parted = difference(left, right)
    if as_json:
        sides = {} if parted is None else {"a": _plain(parted.left), "b": _plain(parted.right)}
        equal = len(left) if parted is None else parted.equal
        echo(json.dumps({"same": parted is None, "equal": equal, **sides}))
    else:
        echo(difference_text(left, right, names))
    if parted is not None:
        raise click.exceptions.Exit(ExitCode.FAILS)


def _plain(event: Event | None) -> dict[str, Any] | None:
    from retrysim.trace.ndjson import as_dict

    return None if event is None else as_dict(event)
