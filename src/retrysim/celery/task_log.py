"""What tasks log: the last lines of each, to be shown where it fails."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping

from celery._state import get_current_task

from retrysim.clock import time_of_day
from retrysim.undo import UndoStack

#: How many lines of one task are kept, and how long one may be.
_KEPT, _LONGEST = 20, 300


def task_id_of(record: logging.LogRecord) -> str:
    """The id of the task that logs this, here or in an isolated pool process; empty outside of all tasks."""
    task = get_current_task()
    told = getattr(record, "task_id", None) if task is None else task.request.id
    return str(told or "")


class TaskLog(logging.Handler):
    """The last lines of each task, by its id; what Celery logs of its outcome is left out.

    What is logged by ``get_task_logger`` is kept from INFO on, as most workers are started, and everything else from
    the level that the app has set. Other handlers get what they would get without this one.
    """

    def __init__(self, undo: UndoStack) -> None:
        super().__init__()
        self._lines: dict[str, deque[str]] = {}
        self._counts: Counter[str] = Counter()
        self._last: logging.LogRecord | None = None
        self._listen_to_task_loggers(undo)
        self._listen_to_others(undo)

    def _listen_to_task_loggers(self, undo: UndoStack) -> None:
        tasks = logging.getLogger("celery.task")
        level, above = tasks.getEffectiveLevel(), tasks.parent or logging.root
        handler = _First(self, lambda record: above.callHandlers(record) if _passes(record, tasks, level) else None)
        tasks.addHandler(handler)
        undo.callback(tasks.removeHandler, handler)
        undo.set_attribute(tasks, "propagate", False)
        undo.callback(tasks.setLevel, tasks.level)
        tasks.setLevel(min(level, logging.INFO))

    def _listen_to_others(self, undo: UndoStack) -> None:
        root, last = logging.getLogger(), logging.lastResort
        if root.handlers or last is None:
            root.addHandler(self)
            undo.callback(root.removeHandler, self)
        else:  # which is used only as long as there is no handler
            undo.set_attribute(logging, "lastResort", _First(self, last.handle, last.level))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the lines of a record that a task logs, which may come twice."""
        task_id = task_id_of(record)
        if not task_id or record is self._last or record.name == "celery.app.trace":
            return
        self._last = record
        try:
            first, *others = record.getMessage().splitlines() or [""]
        except Exception:  # as logging itself, which reports it where a handler of the app writes the record
            first, *others = [str(record.msg)]
        at_ns = round(record.created * 1_000) * 1_000_000
        lines = [f"{time_of_day(at_ns)} {record.levelname:8} {record.name}: {first}", *others]
        self._counts[task_id] += len(lines)
        self._lines.setdefault(task_id, deque(maxlen=_KEPT)).extend(line[:_LONGEST] for line in lines)

    @property
    def lines(self) -> Mapping[str, list[str]]:
        """By the id of a task what it logged, with a line that counts what was left out."""
        return {task_id: [*self._left_out(task_id), *lines] for task_id, lines in self._lines.items()}

    def _left_out(self, task_id: str) -> list[str]:
        count = self._counts[task_id] - _KEPT
        return [f"({count} lines before these)"] if count > 0 else []


class _First(logging.Handler):
    """Gives a record to the log of tasks, and then to those who would have it without that."""

    def __init__(self, log: TaskLog, others: Callable[[logging.LogRecord], object], level: int = 0) -> None:
        super().__init__(level)
        self._log = log
        self._others = others

    def emit(self, record: logging.LogRecord) -> None:
        self._log.handle(record)
        self._others(record)


def _passes(record: logging.LogRecord, tasks: logging.Logger, level: int) -> bool:
    """Whether a record of a task's logger is logged where the level of all of them is this one."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None and logger is not tasks:
        if logger.level:
            return True
        logger = logger.parent
    return record.levelno >= level
