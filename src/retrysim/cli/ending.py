"""How a command ends: its exit code, and what a person reads when it is not the end that was asked for."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

import click

from retrysim.cli.echo import echo
from retrysim.errors import InputError, InternalError, RetrysimError
from retrysim.versions import summary


class ExitCode(IntEnum):
    """What a command tells the shell; 3 is also pytest's code for an error of its own."""

    HOLDS = 0  # every expectation holds
    FAILS = 1  # one does not, or a run could not go on
    WRONG_INPUT = 2  # a file, a name or an option is wrong: nothing, or not all, was played
    BUG = 3  # retrysim itself failed


_BUG = """\
retrysim failed on a bug of its own, not on your scenario: {kind}: {error}
with {versions}
Run it again with --traceback to see where, and please report it with what that shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandError:
    """Why a command ends: what a person reads, where it was raised, and whose fault it is."""

    message: str
    where: str
    code: ExitCode

    @classmethod
    def of(cls, error: Exception) -> CommandError:
        """To be called where the error is handled."""
        where = traceback.format_exc()
        if isinstance(error, RetrysimError):
            return cls(message=str(error), where=where, code=_code_of(error))
        message = _BUG.format(kind=type(error).__name__, error=error, versions=summary())
        return cls(message=message, where=where, code=ExitCode.BUG)


class EndedElsewhere(Exception):  # noqa: N818 - the error is the problem that it carries
    """Another process handled an error that ends the command."""

    def __init__(self, problem: CommandError) -> None:
        super().__init__(problem.message)
        self.problem = problem


show_traceback = click.option("--traceback", is_flag=True, help="Show where an error was raised, as Python does.")


@contextmanager
def one_message(*, with_traceback: bool) -> Iterator[None]:
    """Ends the command on an error: one message on standard error, and the exit code that says whose it is."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except Exception as error:
        problem = error.problem if isinstance(error, EndedElsewhere) else CommandError.of(error)
        if with_traceback:
            echo(problem.where, err=True)
        echo(problem.message, err=True)
        raise click.exceptions.Exit(problem.code) from None


def _code_of(error: RetrysimError) -> ExitCode:
    if isinstance(error, InternalError):
        return ExitCode.BUG
    return ExitCode.WRONG_INPUT if isinstance(error, InputError) else ExitCode.FAILS


def tell(message: str, *, with_traceback: bool) -> None:
    """Says on standard error why the command did not do what was asked; to be called where the error is handled."""
    if with_traceback:
        echo(traceback.format_exc(), err=True)
    echo(message, err=True)
