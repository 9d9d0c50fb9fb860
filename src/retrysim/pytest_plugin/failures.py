"""What pytest shows of a test that failed: the user's line and what is wrong, not our insides nor a flood of logs."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

_HERE = Path(__file__).parents[1]
_OWN_ERROR = re.compile(r"^((?:E {3,7})?)retrysim\.errors\.(?=\w+(?::|$))")
#: A task in a failure's text: ``shop.part[22e1c0c7]``.
_TASK = re.compile(r"\w\[([0-9a-f]{8})(?:-[0-9a-f-]{27})?\]")
_LOG: pytest.StashKey[TaskLog] = pytest.StashKey()
#: How many captured lines are shown of a test with a simulation: 200 tasks that fail log 200 tracebacks.
_LOG_LINES = 40


def end_at_the_users_line(raised: pytest.ExceptionInfo[BaseException]) -> None:
    """Cut the traceback of an error of ours behind the line that caused it; a bug of ours keeps all."""
    kind = type(raised.value)
    if kind.__module__ != "retrysim.errors" or kind.__name__ == "InternalError":
        return
    frame: TracebackType | None = raised.tb
    last = None
    while frame is not None:
        if not _is_inside(frame):
            last = frame
        frame = frame.tb_next
    if last is not None:
        last.tb_next = None


def _is_inside(frame: TracebackType) -> bool:
    path = Path(frame.tb_frame.f_code.co_filename)
    return _HERE in path.parents or "site-packages" in path.parts


def name_errors_briefly(report: pytest.TestReport) -> None:
    """Name retrysim's own errors without their module, for which the line of pytest's summary has no room."""
    shown: Any = report.longrepr
    if hasattr(shown, "reprcrash") and shown.reprcrash is not None:
        shown.reprcrash.message = _OWN_ERROR.sub(r"\1", shown.reprcrash.message)
    for traceback, *_ in getattr(shown, "chain", ()):
        for entry in traceback.reprentries:
            entry.lines = [_OWN_ERROR.sub(r"\1", line) for line in entry.lines]


def add_replay(item: pytest.Item, report: pytest.TestReport) -> None:
    """Say how to run a failed test again, unless its error says it."""
    text: Any = report.longrepr
    if report.failed and hasattr(text, "addsection") and "replay: " not in str(text):
        from retrysim.pytest_plugin.reports import seeds_of

        for seed in seeds_of(item):
            text.addsection("replay", f"pytest {item.nodeid!r} --retrysim-seed={seed}")


# -- logs --------------------------------------------------------------------------------------------------------------


class TaskLog(logging.Filter):
    """What a test has logged, each record with the id of the task that logged it.

    Once the test is ``over``, the workers that are left are stopped: that they say so tells nobody anything.
    """

    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[logging.LogRecord, str]] = []
        self.over = False

    def filter(self, record: logging.LogRecord) -> bool:
        from retrysim.celery.task_log import task_id_of

        if self.over and record.name == "celery.worker" and record.getMessage().startswith("worker: "):
            return False
        self.records.append((record, task_id_of(record)))
        return True

    def of(self, short_ids: Iterable[str]) -> list[logging.LogRecord]:
        """What these tasks have logged, and what was logged about them."""
        wanted = tuple(short_ids)
        return [
            record
            for record, task_id in self.records
            if task_id.startswith(wanted) or any(short in record.getMessage() for short in wanted)
        ]


@contextmanager
def noting_who_logs(item: pytest.Item) -> Iterator[TaskLog]:
    """A block in which it is noted which task logs what pytest captures."""
    logs = item.config.pluginmanager.get_plugin("logging-plugin")
    handler = getattr(logs, "report_handler", None)
    noted = TaskLog()
    if handler is None:
        yield noted
        return
    item.stash[_LOG] = noted
    handler.addFilter(noted)
    try:
        yield noted
    finally:
        handler.removeFilter(noted)
        noted.records.clear()


def shorten_logs(item: pytest.Item, report: pytest.TestReport) -> None:
    """Of a flood of logs of a test that ran simulations, what concerns the tasks of its failure, or else the end."""
    if not report.failed:
        return
    from retrysim.pytest_plugin.reports import has_simulated

    if has_simulated(item):
        own = _own_lines(item, str(report.longrepr))
        report.sections = [(title, _shortened(title, content, own)) for title, content in report.sections]


def _own_lines(item: pytest.Item, failure: str) -> list[str]:
    """What was logged by the tasks that the text of a failure names."""
    noted, ids = item.stash.get(_LOG, None), list(dict.fromkeys(_TASK.findall(failure)))
    handler: Any = getattr(item.config.pluginmanager.get_plugin("logging-plugin"), "report_handler", None)
    if noted is None or handler is None or not ids:
        return []
    return "\n".join(handler.format(record) for record in noted.of(ids)).splitlines()


def _shortened(title: str, content: Any, own: Sequence[str]) -> Any:
    lines = content.splitlines() if title.startswith("Captured log") else []
    if len(lines) <= _LOG_LINES:
        return content
    shown, others = lines[-_LOG_LINES:], "before these"
    if own and title == "Captured log call":
        shown, others = own[-_LOG_LINES:], "that are not of this task" if len(own) <= _LOG_LINES else "besides these"
    return "\n".join([f"({len(lines) - len(shown)} lines {others}; all of them: -o log_file=FILE)", *shown])
