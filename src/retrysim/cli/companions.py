"""Options that require another one: alone, they would have no effect."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.core import ParameterSource


def only_with(option: str, names: Iterable[str]) -> None:
    """Ends the command that runs now, if one of these parameters was given; to be called where ``option`` was not."""
    context = click.get_current_context()
    flags = {parameter.name: parameter.opts[-1] for parameter in context.command.params}
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{flags[name]} requires {option}")
