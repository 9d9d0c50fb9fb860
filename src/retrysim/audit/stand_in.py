"""The exception that a replaced body raises: one that the task's own ``autoretry_for`` names."""

from __future__ import annotations

from typing import Any

from celery.exceptions import Ignore, Reject, Retry

from retrysim.audit.settings import RetrySettings

_TEXT = "the audit put this in the place of the task's body"


class BodyReplaced(Exception):  # noqa: N818 - it stands in for whatever the body might raise
    """For tasks that name no exception."""

    def __str__(self) -> str:
        return _TEXT


def exception_for(settings: RetrySettings) -> type[BaseException] | None:
    """A class that Celery retries; ``None`` when ``dont_autoretry_for`` (or Celery) excepts every one of them."""
    if not settings.autoretry_for:
        return BodyReplaced
    excepted = (*settings.dont_autoretry_for, Ignore, Retry, Reject)
    for kind in settings.autoretry_for:
        if not issubclass(kind, excepted):
            return _plain(kind)
    return None


def _plain(kind: type[BaseException]) -> type[BaseException]:
    """A subclass that needs no arguments: some exceptions want a response, a request or a code."""
    body: dict[str, Any] = {"__init__": _take_nothing, "__str__": _explain, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), body)


def _take_nothing(self: BaseException) -> None:
    self.args = (_TEXT,)


def _explain(self: BaseException) -> str:
    return _TEXT
