"""``retrysim audit``: what each task's retry policy outlives, with no test written."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrysim.cli.apps_here import app_here, naming_apps_here
from retrysim.cli.companions import only_with
from retrysim.cli.echo import echo
from retrysim.cli.ending import ExitCode, one_message, show_traceback
from retrysim.cli.importable import current_folder_importable
from retrysim.cli.numbers import JOBS, SEED, Whole
from retrysim.errors import InputError
from retrysim.project import project_around

if TYPE_CHECKING:
    from retrysim.audit import AppReport
    from retrysim.audit.contest import Contest
    from retrysim.ratelimit.rate import Rate

_EPILOG = """\b
Examples:
  retrysim audit proj
  retrysim audit proj.celery:app --task fetch --fail-if 'lost(15m) > 0%'
  retrysim audit proj --tests
  retrysim audit proj --policies --limit '180 per 15 minutes'
\b
--fail-if takes `lost(WINDOW)`, `span` or `retries` with <, <=, > or >= and
a value, or a kind of finding (`edge`, `no-effect`, `unknown-name`,
`visibility-timeout`, `expires`, ...). It judges the tasks that retry, and
may be given several times.
\b
Exit code: 0, 1 when a threshold of --fail-if is crossed, 2 when the input
is wrong, 3 when retrysim itself fails.
"""


@click.command(epilog=_EPILOG, short_help="Say how long an outage each task's retry policy outlives.")
@click.argument("app", required=False)
@click.option("--task", "tasks", metavar="NAME", multiple=True, help="Look at this task only; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a ticket or a pull request.")
@click.option(
    "--tests",
    "with_tests",
    is_flag=True,
    help="Print a test of each task that retries by hand; the rest goes to stderr.",
)
@click.option("--policies", is_flag=True, help="Compare retry policies under one workload.")
@click.option(
    "--tasks",
    "number",
    metavar="N",
    type=Whole(1, 100_000),
    default=400,
    show_default=True,
    help="With --policies: how many tasks are sent at once.",
)
@click.option("--limit", default="180 per 15 minutes", show_default=True, help="With --policies: the limit of the API.")
@click.option("--max-retries", default="3", show_default=True, help="With --policies: a number, or `none` for no end.")
@click.option(
    "--policy",
    "callables",
    metavar="MODULE:FUNCTION",
    multiple=True,
    help="With --policies: compare this one, too; may be repeated.",
)
@click.option(
    "--seeds",
    metavar="N",
    type=Whole(1, 1_000),
    default=3,
    show_default=True,
    help="With --policies: how often each is played.",
)
@click.option(
    "--svg",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --policies: draw them in this file.",
)
@click.option(
    "--fail-if",
    "thresholds",
    metavar="THRESHOLD",
    multiple=True,
    help="Exit with 1 when a task crosses this threshold.",
)
@click.option("--seed", metavar="N", type=SEED, default=0, help="The seed of jitter.")
@click.option(
    "--copies",
    metavar="N",
    type=Whole(2, 100_000),
    default=400,
    show_default=True,
    help="How often jitter is played, at most.",
)
@click.option("--jobs", metavar="N", type=JOBS, help="How many processes play.  [default: all cores]")
@show_traceback
def audit(
    app: str | None,
    tasks: tuple[str, ...],
    as_json: bool,
    as_markdown: bool,
    with_tests: bool,
    policies: bool,
    number: int,
    limit: str,
    max_retries: str,
    callables: tuple[str, ...],
    seeds: int,
    svg: Path | None,
    thresholds: tuple[str, ...],
    seed: int,
    copies: int,
    jobs: int | None,
    traceback: bool,
) -> None:
    """Say how long an outage each task's retry policy outlives. APP is what `celery -A` takes (default: the one found
    here); nothing of it runs but its retry policies (with --tests, the bodies of tasks that retry by hand, too)."""
    if as_json and as_markdown:
        raise click.UsageError("expected --json or --markdown, not both")
    if not policies:
        only_with("--policies", ("number", "limit", "max_retries", "callables", "seeds", "svg"))
    with one_message(with_traceback=traceback), current_folder_importable():
        from retrysim.audit import audit as audit_app
        from retrysim.audit.threshold import parse_threshold
        from retrysim.cli.terminal import progress

        limits = [parse_threshold(text) for text in thresholds]
        broker = project_around(Path.cwd()).table.get("broker")
        with redirect_stdout(sys.stderr):  # what the app prints when it is imported is no part of the answer
            name = _imported(app)
            with progress("policies") as on_progress:
                report = audit_app(
                    name, tasks=tasks, seed=seed, copies=copies, jobs=jobs, on_progress=on_progress, broker=broker
                )
            contest = _contest(report, number, limit, max_retries, callables, seeds, jobs) if policies else None
            tests = _tests(report) if with_tests else None
        if svg is not None and contest is not None:
            _draw(contest, svg)
        _print(report, contest, tests, as_json=as_json, as_markdown=as_markdown)
        crossed = [message for limit in limits for message in limit.crossed_by(report)]
    for message in crossed:
        echo(message, err=True)
    raise click.exceptions.Exit(ExitCode.FAILS if crossed else ExitCode.HOLDS)


def _imported(named: str | None) -> str:
    """The name of the app, by default of the one that is here, imported."""
    from retrysim.celery.imports import import_audited

    name, others = (named, []) if named else app_here(Path.cwd(), "retrysim audit proj.celery:app")
    if others:
        echo(f"audits {name}; there is {' and '.join(others)}, too: retrysim audit {others[0]}", err=True)
    with naming_apps_here(Path.cwd(), name):
        import_audited(name)
    return name


def _contest(
    report: AppReport,
    number: int,
    limit: str,
    max_retries: str,
    callables: tuple[str, ...],
    seeds: int,
    jobs: int | None,
) -> Contest:
    from retrysim.audit.contest import Workload, contestants, hold
    from retrysim.cli.terminal import progress

    workload = Workload(tasks=number, limit=_rate(limit), max_retries=_retries(max_retries))
    those = contestants(report, callables)
    with progress("contest") as on_progress:
        return hold(report.app, workload, those, seeds=seeds, jobs=jobs, on_progress=on_progress)


def _rate(text: str) -> Rate:
    from retrysim.ratelimit.rate import Rate

    try:
        return Rate.parse(text)
    except InputError as error:
        raise InputError(f"--limit {text!r}: {error}") from None


def _retries(text: str) -> int | None:
    if text.lower() == "none":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise InputError(f"--max-retries {text!r}: expected a whole number of at most 999999, or none")
    return int(text)


def _draw(contest: Contest, file: Path) -> None:
    from retrysim.audit.contest.picture import contest_svg

    try:
        file.write_text(contest_svg(contest), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file}: expected a place that can be written to; {error.strerror}") from None


def _tests(report: AppReport) -> dict[str, str]:
    from retrysim.cli.by_hand import written_tests

    return written_tests(report)


def _print(
    report: AppReport, contest: Contest | None, tests: dict[str, str] | None, *, as_json: bool, as_markdown: bool
) -> None:
    if as_json:
        answer = report.as_json()
        if tests is not None:
            answer["tasks"] = [{**task, "test": tests.get(task["task"])} for task in answer["tasks"]]
        echo(json.dumps({**answer, **({} if contest is None else {"contest": contest.as_json()})}))
    elif as_markdown:
        _print_markdown(report, contest, tests)
    else:
        _print_text(report, contest, tests)


def _print_markdown(report: AppReport, contest: Contest | None, tests: dict[str, str] | None) -> None:
    from retrysim.audit.contest.drawing import contest_markdown
    from retrysim.audit.markdown import markdown
    from retrysim.cli.by_hand import as_markdown

    parts = [markdown(report)]
    parts += [] if contest is None else [contest_markdown(contest)]
    parts += [as_markdown(tests)] if tests else []
    echo("\n\n".join(parts))


def _print_text(report: AppReport, contest: Contest | None, tests: dict[str, str] | None) -> None:
    from retrysim.audit.contest.drawing import render as render_contest
    from retrysim.audit.text import render
    from retrysim.cli.by_hand import as_text
    from retrysim.cli.terminal import say

    # Tests are redirected into a file: what is no code goes elsewhere.
    say(render(report), *([] if contest is None else [render_contest(contest)]), err=tests is not None)
    if tests:
        echo(as_text(tests))
