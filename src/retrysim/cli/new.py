"""``retrysim new``: writes a first scenario and a first test for a task of the app that lies here."""

from __future__ import annotations

from pathlib import Path

import click

from retrysim.cli.echo import echo
from retrysim.cli.ending import one_message, show_traceback
from retrysim.cli.importable import current_folder_importable
from retrysim.errors import InputError

_EPILOG = """\b
Examples:
  retrysim new
  retrysim new fetch_tweets
  retrysim new fetch_tweets --app proj.celery:app
\b
It plays the task, in virtual time, and writes down what it did.
\b
Exit code: 0 when it wrote two files, 2 when there is nothing to write them
for or they exist already, 3 when retrysim itself fails.
"""


@click.command(epilog=_EPILOG, short_help="Write a first scenario and a first test for a task.")
@click.argument("task", required=False)
@click.option("--app", "app_name", metavar="APP", help="The app, as `celery -A` takes it. Default: the one found here.")
@show_traceback
def new(task: str | None, app_name: str | None, traceback: bool) -> None:
    """Write a first scenario and a first test for TASK (default: the first task here that retries)."""
    with one_message(with_traceback=traceback), current_folder_importable():
        from retrysim.cli.first_files import SCHEMA_NAME, first_test, reasons, scenario_text
        from retrysim.cli.first_play import first_play
        from retrysim.cli.found import look_around
        from retrysim.scenarios.published import schema_text

        found = look_around(Path.cwd(), app_name, task)
        test_folder = Path("tests") if Path("tests").is_dir() else Path()
        scenario_file = Path("scenarios") / f"{found.short}.scenario.yaml"
        test_file = test_folder / f"test_{found.short}_retries.py"
        for file in (scenario_file, test_file):
            if file.exists():
                raise InputError(f"{file} exists already; remove it, or name another task: retrysim new TASK")
        found, outcome = first_play(found, str(scenario_file))
        _write(scenario_file, scenario_text(found, outcome))
        schema_file = scenario_file.with_name(SCHEMA_NAME)  # which the first line of the scenario names, for editors
        _write(schema_file, schema_text())
        _write(test_file, first_test(found, outcome))
        echo(f"{found.task} of {found.app}: {outcome.summary()}")
        for label, why in zip(("why:", "    "), reasons(found, outcome), strict=False):
            echo(f"{label} {why}")
        echo(f"wrote {scenario_file}\n      {test_file}\n      {schema_file}, for your editor")
        echo(f"now: pytest {scenario_file} {test_file}")


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file}: expected a place that can be written to; {error.strerror}") from None
