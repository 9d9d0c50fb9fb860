"""How a job's result reaches the parent of a pool process: billiard pickles it."""

from __future__ import annotations

import pickle
from copy import copy
from dataclasses import dataclass
from typing import Any

from billiard.einfo import ExceptionInfo
from billiard.pool import MaybeEncodingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Unloadable:
    """A result that the parent cannot load: the error of the attempt ends it."""

    error: Exception


def sendable(succeeded: bool, value: Any) -> tuple[bool, Any]:
    """The result that a real process can send, which the parent loads."""
    received = as_received(succeeded, value)
    if isinstance(received[1], Unloadable):
        return received
    try:
        pickle.dumps(value)
    except Exception as error:
        return False, _not_encoded(error, value)
    return succeeded, value


def as_received(succeeded: bool, value: Any) -> tuple[bool, Any]:
    """The result as it arrives, where both share one memory.

    Only exceptions change on the way: the parent has what the child's ``ExceptionWithTraceback`` wraps, without what
    its arguments do not carry.
    """
    info = _exception_info(value)
    if info is None:
        return succeeded, value
    try:
        pickled = pickle.dumps(info.exception)
    except Exception as error:
        return as_received(False, _not_encoded(error, value))
    received = copy(info)
    try:
        received.exception = pickle.loads(pickled)
    except Exception as error:
        return False, Unloadable(error=error)
    return succeeded, received if value is info else (value[0], received, *value[2:])


def _exception_info(value: Any) -> ExceptionInfo | None:
    """What a job has raised, or its task. Then ``celery.app.trace`` returns that, between a flag and the runtime."""
    info = value[1] if isinstance(value, tuple) and len(value) > 1 else value
    return info if isinstance(info, ExceptionInfo) else None


def _not_encoded(error: Exception, value: Any) -> ExceptionInfo:
    try:
        raise MaybeEncodingError(error, value)
    except MaybeEncodingError:
        return ExceptionInfo()
