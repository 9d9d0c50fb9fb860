"""The command group, ``retrysim``, with a command in each file of this folder."""

from __future__ import annotations

import os
import re

import click

from retrysim.cli.audit import audit
from retrysim.cli.doctor import doctor
from retrysim.cli.explore import explore
from retrysim.cli.new import new
from retrysim.cli.run import run
from retrysim.cli.serve import serve
from retrysim.cli.trace import trace
from retrysim.cli.validate import validate

_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_EPILOG = """\b
Example:
  retrysim run scenarios/user_200_calls.scenario.yaml
"""


class _Commands(click.Group):
    """A group that takes no argument which would steer the terminal that an error shows it on."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for argument in args:
            if _STEERS.search(argument):
                raise click.UsageError(f"expected arguments without control characters; got {argument!a}")
        return super().parse_args(ctx, args)


@click.group(cls=_Commands, epilog=_EPILOG)
@click.version_option(package_name="retrysim")
@click.pass_context
def main(context: click.Context) -> None:
    """Find out what Celery retries really do: your app, in virtual time, against fakes of rate-limited APIs."""
    if os.environ.get("NO_COLOR"):
        context.color = False


main.add_command(audit)
main.add_command(explore)
main.add_command(doctor)
main.add_command(new)
main.add_command(run)
main.add_command(validate)
main.add_command(serve)
main.add_command(trace)
