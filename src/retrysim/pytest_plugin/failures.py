"""What pytest shows of a test that failed: the user's line and what is wrong, not our insides nor a flood of logs."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

_HERE = Path(__file__).parents[1]
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


def shorten_logs(item: pytest.Item, report: pytest.TestReport) -> None:
    """Of what was logged by a test that ran simulations, only the end."""
    if not report.failed:
        return
    from retrysim.pytest_plugin.reports import has_simulated

    if has_simulated(item):
        report.sections = [(title, _shortened(title, content)) for title, content in report.sections]


def _shortened(title: str, content: Any) -> Any:
    lines = content.splitlines() if title.startswith("Captured log") else []
    if len(lines) <= _LOG_LINES:
        return content
    left_out = len(lines) - _LOG_LINES
    return "\n".join([f"({left_out} lines before these; all of them: -o log_file=FILE)", *lines[-_LOG_LINES:]])
