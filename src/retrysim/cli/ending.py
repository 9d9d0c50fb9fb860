"""How a command ends: its exit code, and what a person reads when it is not the end that was asked for."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import click

from retrysim.errors import InputError, InternalError, RetrysimError


class ExitCode(IntEnum):
    """What a command tells the shell; 3 is also pytest's code for an error of its own."""

    HOLDS = 0  # every expectation holds
    FAILS = 1  # one does not, or a run could not go on
    WRONG_INPUT = 2  # a file, a name or an option is wrong: nothing, or not all, was played
    BUG = 3  # retrysim itself failed


_BUG = """\
retrysim failed on a bug of its own, not on your scenario: {kind}: {error}
Run it again with --traceback to see where, and please report it with what that shows."""

show_traceback = click.option("--traceback", is_flag=True, help="Show where an error was raised, as Python does.")


@contextmanager
def one_message(*, with_traceback: bool) -> Iterator[None]:
    """Ends the command on an error: one message on standard error, and the exit code that says whose it is."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except RetrysimError as error:
        tell(str(error), with_traceback=with_traceback)
        raise click.exceptions.Exit(_code_of(error)) from None
    except Exception as error:
        tell(_BUG.format(kind=type(error).__name__, error=error), with_traceback=with_traceback)
        raise click.exceptions.Exit(ExitCode.BUG) from None


def _code_of(error: RetrysimError) -> ExitCode:
    if isinstance(error, InternalError):
        return ExitCode.BUG
    return ExitCode.WRONG_INPUT if isinstance(error, InputError) else ExitCode.FAILS


def tell(message: str, *, with_traceback: bool) -> None:
    """Says on standard error why the command did not do what was asked; to be called where the error is handled."""
    if with_traceback:
        click.echo(traceback.format_exc(), err=True)
    click.echo(message, err=True)
