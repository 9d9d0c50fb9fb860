"""``--retrysim-report=DIR``: the run of a failing test as a page, linked in its failure text."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from retrysim.pytest_plugin.settings import report_folder
from retrysim.trace import Trace

#: The traces of the simulations that an item ran.
_TRACES: pytest.StashKey[list[Trace]] = pytest.StashKey()
#: How long the readable part of a file's name may be.
_LONGEST = 100


def prepare(config: pytest.Config) -> None:
    """Make the folder for the pages, and import what draws them while time is real."""
    import retrysim.reports  # noqa: F401

    try:
        _folder(config).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        asked = config.getoption("--retrysim-report")
        where = f"[tool.retrysim] report = {_folder(config)}" if asked is None else f"--retrysim-report={asked}"
        raise pytest.UsageError(f"{where}: expected a folder; {error.strerror}") from None


def _folder(config: pytest.Config) -> Path:
    folder = report_folder(config)
    assert folder is not None
    return folder


def remember(node: Any, trace: Trace) -> None:
    """Note that an item runs this simulation."""
    node.stash.setdefault(_TRACES, []).append(trace)


def seeds_of(item: pytest.Item) -> list[int]:
    """The seeds of the simulations that the item has run."""
    return list(dict.fromkeys(trace.seed for trace in item.stash.get(_TRACES, ())))


def has_simulated(item: pytest.Item) -> bool:
    """Whether the item has run a simulation."""
    return _TRACES in item.stash


def _traces_of(item: pytest.Item) -> list[Trace]:
    return item.stash.setdefault(_TRACES, [])


def add_reports(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Write the pages of an item that ran, if they are wanted, and say in its failure text where they are."""
    if not (report.failed or item.config.getoption("--retrysim-report-of") == "all"):
        return
    failure = "" if call.excinfo is None else _failure_text(call.excinfo)
    for number, trace in enumerate(_traces_of(item), 1):
        path = _folder(item.config) / _file_name(item.nodeid, number)
        title = getattr(item, "title", None) or item.nodeid.rpartition("/")[2]
        path.write_text(_page(title, trace, failure), encoding="utf-8")
        _link(report, path.as_uri())


def _failure_text(raised: pytest.ExceptionInfo[BaseException]) -> str:
    """What was raised, in words; retrysim's own errors need no name before them."""
    is_ours = type(raised.value).__module__.startswith("retrysim.")
    return str(raised.value) if is_ours else raised.exconly()


def _file_name(nodeid: str, number: int) -> str:
    """Readable, and another for each item; the second simulation of an item has its number."""
    readable = re.sub(r"[^\w.-]+", "-", nodeid).strip("-")[-_LONGEST:]
    nth = f"-{number}" if number > 1 else ""
    return f"{readable}-{sha256(nodeid.encode()).hexdigest()[:6]}{nth}.html"


def _page(title: str, trace: Trace, failure: str) -> str:
    from retrysim.reports import html_report

    return html_report(trace, title=title, failure=trace.redact(failure))


def _link(report: pytest.TestReport, link: str) -> None:
    """Add the link to what pytest prints of a failure."""
    text: Any = report.longrepr
    if isinstance(text, str):
        report.longrepr = f"{text}\nreport: {link}"
    elif hasattr(text, "addsection"):
        text.addsection("retrysim report", link)
