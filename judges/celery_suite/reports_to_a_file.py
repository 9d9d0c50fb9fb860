"""A pytest plugin: one line of JSON for each report, into the file that ``REPORTS`` names."""

import json
import os
from pathlib import Path

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    xfail = hasattr(report, "wasxfail")
    outcome = (
        {"skipped": "xfailed", "passed": "xpassed"}.get(report.outcome, report.outcome) if xfail else report.outcome
    )
    if report.when != "call" and outcome == "passed":
        return
    line = {
        "id": report.nodeid,
        "outcome": outcome,
        "call_s": round(report.duration, 3),
        "virtual_s": dict(report.user_properties).get("retrysim_virtual_seconds"),
        "why": report.longrepr[2] if isinstance(report.longrepr, tuple) else None,
    }
    with Path(os.environ["REPORTS"]).open("a") as file:
        file.write(json.dumps(line) + "\n")
