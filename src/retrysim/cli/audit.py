"""``retrysim audit``: what each task's retry policy outlives, with no test written."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import click

from retrysim.cli.ending import ExitCode, one_message, show_traceback
from retrysim.cli.importable import current_folder_importable

if TYPE_CHECKING:
    from retrysim.audit import AppReport

_EPILOG = """\b
Examples:
  retrysim audit proj
  retrysim audit proj.celery:app --task fetch --fail-if 'lost(15m) > 0%'
  retrysim audit proj --policies --tasks 400 --limit '180 per 15 minutes'
\b
--fail-if takes `lost(WINDOW)`, `span` or `retries` with <, <=, > or >= and a value, or a kind of
finding (`edge`, `no-effect`, `unknown-name`, `visibility-timeout`, `expires`, ...). It judges the
tasks that retry, and may be given several times.
\b
Exit code: 0, 1 when a threshold of --fail-if is crossed, 2 when the input is wrong,
3 when retrysim itself fails.
"""


@click.command(epilog=_EPILOG)
@click.argument("app")
@click.option("--task", "tasks", metavar="NAME", multiple=True, help="Look at this task only; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a ticket or a pull request.")
@click.option("--fail-if", "thresholds", metavar="THRESHOLD", multiple=True, help="Exit with 1 where this is so.")
@click.option("--seed", metavar="N", type=click.IntRange(min=0), default=0, help="What jitter is drawn from.")
@click.option("--jobs", metavar="N", type=click.IntRange(min=1), help="How many processes play.  [default: all cores]")
@show_traceback
def audit(
    app: str,
    tasks: tuple[str, ...],
    as_json: bool,
    as_markdown: bool,
    thresholds: tuple[str, ...],
    seed: int,
    jobs: int | None,
    traceback: bool,
) -> None:
    """Say how long an outage each task's retry policy outlives. APP is what `celery -A` takes; nothing of it runs but
    its retry policies."""
    if as_json and as_markdown:
        raise click.UsageError("expected --json or --markdown, not both")
    with one_message(with_traceback=traceback), current_folder_importable():
        from retrysim.audit import audit as audit_app
        from retrysim.audit.threshold import parse_threshold

        limits = [parse_threshold(text) for text in thresholds]
        with redirect_stdout(sys.stderr):  # what the app prints when it is imported is no part of the answer
            report = audit_app(app, tasks=tasks, seed=seed, jobs=jobs)
        _print(report, as_json=as_json, as_markdown=as_markdown)
        crossed = [message for limit in limits for message in limit.crossed_by(report)]
    for message in crossed:
        click.echo(message, err=True)
    raise click.exceptions.Exit(ExitCode.FAILS if crossed else ExitCode.HOLDS)


def _print(report: AppReport, *, as_json: bool, as_markdown: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.as_json()))
    elif as_markdown:
        from retrysim.audit.markdown import markdown

        click.echo(markdown(report))
    else:
        from retrysim.audit.text import render
        from retrysim.cli.terminal import say

        say(render(report))
