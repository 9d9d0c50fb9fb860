"""What people read: 80 columns where there is no terminal, colours only on one, ``NO_COLOR`` respected."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import Progress
from rich.segment import Segment

from retrysim.cli.echo import echo
from retrysim.printable import printable

#: Where the width is not known: in a pipe, in CI, in a test.
WIDTH = 80


def say(*what: RenderableType, err: bool = False) -> None:
    """Print to standard output, or to standard error, without the blanks with which rich fills its lines."""
    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else WIDTH
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        for one in what:
            console.print(_Printable(one), crop=False)
    echo("\n".join(line.rstrip() for line in capture.get().rstrip("\n").split("\n")), err=err, styled=True)


class _Printable:
    """What rich renders, with its text printable."""

    def __init__(self, what: RenderableType) -> None:
        self._what = what

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for text, style, control in console.render(self._what, options):
            yield Segment(text if control else printable(text), style, control)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while something goes on, gone when it is over; nothing where there is no terminal.

    It is drawn when something was done: a thread that draws it meanwhile would make forking unsafe.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task(what, total=None)

        def draw(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, refresh=True)

        yield draw
