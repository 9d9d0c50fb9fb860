"""How every command prints: through ``echo`` or ``say``; there, and nowhere else, what steers a terminal is escaped."""

from __future__ import annotations

import click

from retrysim.printable import printable, printable_styled


def echo(text: str = "", *, err: bool = False, nl: bool = True, styled: bool = False) -> None:
    """Print a text; ``styled`` keeps its colours, for text whose foreign parts are ``printable`` already."""
    click.echo(printable_styled(text) if styled else printable(text), err=err, nl=nl)
