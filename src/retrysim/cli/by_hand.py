"""The test of each task that retries by hand, as ``retrysim new TASK`` would write it: for the output of an audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from retrysim.cli.echo import echo
from retrysim.cli.first_files import first_test
from retrysim.cli.first_play import first_play
from retrysim.cli.found import look_around
from retrysim.errors import RetrysimError

if TYPE_CHECKING:
    from retrysim.audit import AppReport


def written_tests(report: AppReport) -> dict[str, str]:
    """The text of each test, by its task; a task that cannot be played is named on standard error, and left out."""
    tests: dict[str, str] = {}
    for task in report.tasks:
        if task.by_hand:
            try:
                found = look_around(Path.cwd(), report.app, task.name)
                found, outcome = first_play(found, f"{found.short}.scenario.yaml")
                tests[task.name] = first_test(found, outcome)
            except RetrysimError as error:
                echo(f"no test for {task.name}: {error}", err=True)
    return tests


def as_text(tests: dict[str, str]) -> str:
    """One below the other."""
    return "\n".join(_ruled(name, text) for name, text in tests.items()).lstrip("\n")


def as_markdown(tests: dict[str, str]) -> str:
    """A block of code for each."""
    return "\n\n".join(f"### A test of `{name}`\n\n```python\n{text}```" for name, text in tests.items())


def _ruled(name: str, text: str) -> str:
    return f"\n# {f' {name} '.center(76, '-')}\n{text}".rstrip()
