"""The command group: ``retrysim run``, ``validate``, ``serve``, ``trace``, ``audit``."""

from __future__ import annotations

import os

import click

from retrysim.cli.audit import audit
from retrysim.cli.new import new
from retrysim.cli.run import run
from retrysim.cli.serve import serve
from retrysim.cli.trace import trace
from retrysim.cli.validate import validate

_EPILOG = """\b
Example:
  retrysim run scenarios/user_200_calls.scenario.yaml
"""


@click.group(epilog=_EPILOG)
@click.version_option(package_name="retrysim")
@click.pass_context
def main(context: click.Context) -> None:
    """Find out what Celery retries really do: your app, in virtual time, against fakes of rate-limited APIs."""
    if os.environ.get("NO_COLOR"):
        context.color = False


main.add_command(audit)
main.add_command(new)
main.add_command(run)
main.add_command(validate)
main.add_command(serve)
main.add_command(trace)
