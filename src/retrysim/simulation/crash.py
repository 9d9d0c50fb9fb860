"""What is said when retrysim itself fails: that it is our bug, where, and the trace up to there."""

from __future__ import annotations

import sysconfig
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from retrysim.errors import InternalError, RetrysimError
from retrysim.trace import Trace, dump_ndjson
from retrysim.versions import summary

_HERE = Path(__file__).parents[1]
_Verb = TypeVar("_Verb", bound=Callable[..., Any])
#: What code raises that does not fit what it calls. Other errors of a library are its answers to the user's settings.
_MISFITS = (AssertionError, AttributeError, ImportError, LookupError, NameError, TypeError)


@contextmanager
def explained_bugs(trace: Trace) -> Iterator[None]:
    """Raises ``InternalError`` in the place of an error that is due to us."""
    try:
        yield
    except Exception as error:
        if _is_ours(error):
            raise _explained(error, trace) from error
        raise


def explains_bugs(verb: _Verb) -> _Verb:
    """The same around a verb of a simulation that starts or ends something."""

    @wraps(verb)
    def explaining(sim: Any, *args: Any, **options: Any) -> Any:
        try:
            return verb(sim, *args, **options)
        except _MISFITS as error:
            called = error.__traceback__ is not None and error.__traceback__.tb_next is not None
            if called and _is_raised_by_us(error):  # else its arguments are not the verb's
                raise _explained(error, sim.trace) from error
            raise

    return explaining  # type: ignore[return-value]


def _is_ours(error: Exception) -> bool:
    """Whether an error that ended a run is due to us, or to what we run, and not to the user's own code.

    Whoever called the library that raised is to blame for it: the innermost frame that is ours or the user's.
    """
    if isinstance(error, RetrysimError):
        return False
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    callers = [file for file in files if _HERE in file.parents or not _is_installed(file)]
    return not callers or _HERE in callers[-1].parents


def _is_raised_by_us(error: Exception) -> bool:
    """Whether the innermost frame outside the standard library is ours: what a library raises answers a setting."""
    if isinstance(error, RetrysimError):
        return False
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    raising = [file for file in files if _STDLIB not in file.parents or "site-packages" in file.parts]
    return bool(raising) and _HERE in raising[-1].parents


def _is_installed(file: Path) -> bool:
    return str(file).startswith("<") or any(place in file.parents for place in map(Path, _INSTALLED))


_STDLIB = Path(sysconfig.get_path("stdlib"))
_INSTALLED = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}


def _explained(error: Exception, trace: Trace) -> InternalError:
    """The error to raise in its place; the trace is written to a file of the system's temporary folder."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    with tempfile.NamedTemporaryFile(  # readable by its owner only
        "w", prefix="retrysim-crash-", suffix=".ndjson", delete=False, encoding="utf-8"
    ) as file:
        file.write(dump_ndjson(trace))
    return InternalError(
        f"this is a bug in retrysim, not in your code: {type(error).__name__}: {trace.redact(str(error))} "
        f"({Path(last.filename).name}:{last.lineno})\n"
        f"with {summary()}\n"
        f"what had happened until then is in {file.name}; please report the bug with that file"
    )
