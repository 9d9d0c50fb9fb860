"""``retrysim validate``: checks scenario files without playing them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from retrysim.cli.echo import echo
from retrysim.cli.ending import ExitCode, one_message, show_traceback, tell
from retrysim.cli.scenario_files import scenario_files
from retrysim.errors import InputError
from retrysim.project import project_around

_EPILOG = """\b
Examples:
  retrysim validate scenarios/*.scenario.yaml
  retrysim validate scenarios/*.scenario.yaml --json
  retrysim validate --schema > scenario.schema.json
\b
Exit code: 0 when every file is right, 2 when one is wrong, 3 when retrysim
itself fails.
"""


@click.command(epilog=_EPILOG, short_help="Check scenario files without playing them.")
@click.argument("files", metavar="[FILE|DIR...]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of scenario files instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per file and line.")
@show_traceback
def validate(files: tuple[Path, ...], schema: bool, as_json: bool, traceback: bool) -> None:
    """Check scenario files, also all in a folder: their YAML, keys, values, and fakes. `run` checks apps and tasks."""
    if bool(files) == schema:
        raise click.UsageError("expected the files to check, or --schema alone")
    with one_message(with_traceback=traceback):
        if schema:
            _print_schema()
        elif [file for file in scenario_files(files) if not _is_right(file, as_json=as_json, with_traceback=traceback)]:
            raise click.exceptions.Exit(ExitCode.WRONG_INPUT)


def _print_schema() -> None:
    from retrysim.scenarios.published import schema_text

    echo(schema_text(), nl=False)


def _is_right(file: Path, *, as_json: bool, with_traceback: bool) -> bool:
    """Prints the verdict on one file: a line, or its error on standard error; as JSON, both are lines."""
    from retrysim.scenarios import items_of, load

    try:
        scenario = load(file, project=project_around(Path.cwd()))
    except InputError as error:
        if as_json:
            echo(json.dumps({"file": str(file), "valid": False, "error": str(error)}))
        if with_traceback or not as_json:
            tell(str(error), with_traceback=with_traceback)
        return False
    count = len(items_of(scenario))
    if as_json:
        echo(json.dumps({"file": str(file), "valid": True, "scenario": scenario.name, "items": count}))
        return True
    echo(f"valid  {file}  {scenario.name} ({count} {'item' if count == 1 else 'items'})")
    return True
