"""What people read: 80 columns where there is no terminal, colours only on one, ``NO_COLOR`` respected."""

from __future__ import annotations

import sys

import click
from rich.console import Console, RenderableType

#: Where the width is not known: in a pipe, in CI, in a test.
WIDTH = 80


def say(*what: RenderableType) -> None:
    """Print to standard output, without the blanks with which rich fills its lines."""
    on_terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if on_terminal else WIDTH, highlight=False)
    with console.capture() as capture:
        for one in what:
            console.print(one)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
