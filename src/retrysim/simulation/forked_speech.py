"""Lets the test hear what pool processes say that are processes of the machine: output, log, warnings, coverage.

Whoever captures them keeps what was captured in the memory of the test.
"""

from __future__ import annotations

import bdb
import copy
import logging
import os
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from celery._state import get_current_task

from retrysim.errors import Unsupported
from retrysim.kernel.forked.pipe import is_portable, portable

if TYPE_CHECKING:
    from retrysim.kernel.forked.faces import Faces
    from retrysim.kernel.forked.inside import Link


#: The streams, and the files behind them, to which a child writes that a task has forked.
_FILES = {"stdout": 1, "stderr": 2}


def share_speech(faces: Faces) -> None:
    """Let log records, warnings and what is printed reach the test, who captures them."""
    faces.services["speech"] = lambda _: _Speech()
    faces.in_child.append(_speak_elsewhere)


class _Speech:
    """What children say, said here."""

    def write(self, stream: str, text: str) -> None:
        getattr(sys, stream).write(text)

    def log(self, number: int, record: logging.LogRecord) -> None:
        handler = next((one for one in _handlers() if id(one) == number), None)
        if handler is not None:
            handler.handle(record)

    def warn(self, message: warnings.WarningMessage) -> None:
        warnings._showwarnmsg(message)  # type: ignore[attr-defined]


def _handlers() -> list[logging.Handler]:
    """The handlers of this process's loggers; those of before the fork have the same ``id()`` in a child as here.

    ``logging``'s own list of handlers is emptied by ``dictConfig``, while loggers still have them.
    """
    loggers = [logging.root, *list(logging.root.manager.loggerDict.values())]
    return [handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers]


def _speak_elsewhere(link: Link) -> None:
    for stream in _FILES:
        if getattr(sys, stream) is not None:
            setattr(sys, stream, _Elsewhere(link, stream))
    for handler in _handlers():
        handler.handle = partial(_log_elsewhere, link, handler)  # type: ignore[method-assign]
    _refuse_debuggers(link)
    warnings._showwarnmsg_impl = partial(_warn_elsewhere, link)  # type: ignore[attr-defined]


def _warn_elsewhere(link: Link, message: warnings.WarningMessage) -> None:
    if not link.is_cut:
        link.call("speech", "warn", _portable_warning(message))


def _refuse_debuggers(link: Link) -> None:
    """A debugger has a terminal to talk to, which is the test's."""

    def refuse(*_args: Any, **_options: Any) -> NoReturn:
        error = Unsupported(
            "breakpoint() in an isolated pool process: a debugger cannot talk to you from there\n"
            "  To debug the task, start the worker without isolated=True"
        )
        link.call("kernel", "fail", error)
        raise error

    sys.breakpointhook = refuse
    bdb.Bdb.set_trace = refuse  # type: ignore[method-assign]


def _log_elsewhere(link: Link, handler: logging.Handler, record: logging.LogRecord) -> bool:
    passed = handler.filter(record)
    if passed and not link.is_cut:
        link.call("speech", "log", id(handler), _portable_record(record))
    return bool(passed)


def _portable_record(record: logging.LogRecord) -> logging.LogRecord:
    """A record that can be pickled, with its text and its traceback as they are here."""
    record = copy.copy(record)
    if record.exc_info:
        kind, error, _ = record.exc_info
        record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
        record.exc_info = None if error is None else (kind, portable(error), None)  # type: ignore[assignment]
    task = get_current_task()
    if task is not None and task.request is not None:  # what Celery's formatter asks for, where the task runs
        record.task_id, record.task_name = task.request.id, task.name
    if not is_portable(vars(record)):
        record.msg, record.args = record.getMessage(), None
        for name, value in list(vars(record).items()):
            if not is_portable(value):
                setattr(record, name, repr(value))
    return record


def _portable_warning(message: warnings.WarningMessage) -> warnings.WarningMessage:
    said = message.message
    message.message = said if is_portable(said) else message.category(str(said))
    message.source = None
    return message


class _Elsewhere:
    """A text stream of the parent."""

    encoding, errors, closed = "utf-8", "replace", False

    def __init__(self, link: Link, name: str) -> None:
        self._link = link
        self.name = f"<{name}>"
        self._stream = name

    def write(self, text: str) -> int:
        if self._link.is_cut:
            os.write(_FILES[self._stream], text.encode(self.encoding, self.errors))
        else:
            self._link.call("speech", "write", self._stream, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Every write has arrived."""

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False
