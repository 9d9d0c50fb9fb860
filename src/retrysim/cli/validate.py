"""``retrysim validate``: checks scenario files without playing them."""

from __future__ import annotations

from pathlib import Path

import click

from retrysim.cli.ending import ExitCode, one_message, show_traceback, tell
from retrysim.errors import InputError
from retrysim.project import project_around

_EPILOG = """\b
Examples:
  retrysim validate scenarios/*.scenario.yaml
  retrysim validate --schema > scenario.schema.json
\b
Exit code: 0 when every file is right, 2 when one is wrong, 3 when retrysim itself fails.
"""


@click.command(epilog=_EPILOG)
@click.argument("files", metavar="[FILE...]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of scenario files instead.")
@show_traceback
def validate(files: tuple[Path, ...], schema: bool, traceback: bool) -> None:
    """Check scenario files: their YAML, keys and values. Names of apps, tasks and fakes are checked by `run`."""
    if bool(files) == schema:
        raise click.UsageError("expected the files to check, or --schema alone")
    with one_message(with_traceback=traceback):
        if schema:
            _print_schema()
        elif [file for file in files if not _is_right(file, with_traceback=traceback)]:
            raise click.exceptions.Exit(ExitCode.WRONG_INPUT)


def _print_schema() -> None:
    from retrysim.scenarios.published import schema_text

    click.echo(schema_text(), nl=False)


def _is_right(file: Path, *, with_traceback: bool) -> bool:
    """Prints the verdict on one file: a line, or its error on standard error."""
    from retrysim.scenarios import items_of, load

    try:
        scenario = load(file, project=project_around(Path.cwd()))
    except InputError as error:
        tell(str(error), with_traceback=with_traceback)
        return False
    count = len(items_of(scenario))
    click.echo(f"valid  {file}  {scenario.name} ({count} {'item' if count == 1 else 'items'})")
    return True
