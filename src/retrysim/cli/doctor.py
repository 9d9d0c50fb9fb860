"""``retrysim doctor``: the versions that retrysim stands on here, and whether the basics work with them."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict
from time import perf_counter
from typing import Any

import click

from retrysim.cli.ending import ExitCode, one_message, show_traceback
from retrysim.versions import installed, version_of

_EPILOG = """\b
Examples:
  retrysim doctor
  retrysim doctor --json
\b
Put the output into a bug report.
\b
Exit code: 0 when every version is tested and the self-test passes,
1 otherwise, 3 when retrysim itself fails.
"""
_BROKERS = ["memory", "redis", "rabbitmq"]
_REMARKS = {"tested": "", "newer": "newer than tested", "older": "older than tested", "missing": "not installed"}


@click.command(epilog=_EPILOG, short_help="Print the installed versions, and test the installation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@show_traceback
def doctor(as_json: bool, traceback: bool) -> None:
    """Print the versions that retrysim stands on, whether each is tested, and try a limit, a retry and a kill."""
    with one_message(with_traceback=traceback):
        report = _examine()
        click.echo(json.dumps(report) if as_json else "\n".join(_lines(report)))
        if not report["healthy"]:
            raise click.exceptions.Exit(ExitCode.FAILS)


def _examine() -> dict[str, Any]:
    packages = installed()
    tests = [_try(broker) for broker in _BROKERS]
    healthy = all(one.verdict == "tested" for one in packages) and not any(test["error"] for test in tests)
    return {
        "retrysim": version_of("retrysim"),
        "platform": platform.platform(),
        "packages": [{**asdict(one), "verdict": one.verdict} for one in packages],
        "self_test": tests,
        "healthy": healthy,
    }


def _try(broker: str) -> dict[str, Any]:
    begin = perf_counter()
    try:
        from retrysim.cli.self_test import self_test

        error = self_test(broker)
    except Exception as raised:  # whatever a foreign release does to us belongs in the report
        error = f"{type(raised).__name__}: {raised}"
    return {"broker": broker, "error": error, "seconds": round(perf_counter() - begin, 2)}


def _lines(report: dict[str, Any]) -> Iterator[str]:
    yield f"retrysim {report['retrysim']} on {report['platform']}"
    for one in report["packages"]:
        range_ = f"tested: {one['oldest']} to {one['newest']}"
        yield f"  {one['package']:<10} {one['version'] or '-':<10} {range_:<24} {_REMARKS[one['verdict']]}".rstrip()
    for test in report["self_test"]:
        verdict = f"failed: {test['error']}" if test["error"] else "passed"
        yield f"self-test on {test['broker']}: {verdict} ({test['seconds']:.2f} s)"
