"""The pytest plugin: fixture ``sim``, and scenario files as test items. Nothing heavy is imported until one is used."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrysim.pytest_plugin.failures import end_at_the_users_line, shorten_logs
from retrysim.pytest_plugin.settings import apply, report_folder, take_back

if TYPE_CHECKING:
    from retrysim.simulation import Simulation

#: As in retrysim.scenarios, which is not imported for a pytest run without scenario files.
_SUFFIX = ".scenario.yaml"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("retrysim")
    group.addoption(
        "--retrysim-seed",
        metavar="N",
        type=int,
        default=None,
        help="the seed of every simulation, in place of those in markers and scenario files",
    )
    group.addoption(
        "--retrysim-report",
        metavar="DIR",
        default=None,
        help="write the run of each failing test there, as a page for a browser",
    )
    group.addoption(
        "--retrysim-report-of",
        choices=["failed", "all"],
        default="failed",
        help="of which tests --retrysim-report writes a page (default: %(default)s)",
    )
    group.addoption(
        "--retrysim-worker",
        action="store_true",
        help="run the workers of celery.contrib.pytest in virtual time, on simulated brokers",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    apply(early_config)


def pytest_unconfigure(config: pytest.Config) -> None:
    take_back(config)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "retrysim(seed=0, start=..., allow=(...)): keyword arguments of the simulation of fixture `sim`"
    )
    if report_folder(config) is not None:
        from retrysim.pytest_plugin.reports import prepare

        prepare(config)
    if config.getoption("--retrysim-worker"):
        from retrysim.pytest_plugin.worker_option import WorkerOption

        seed = config.getoption("--retrysim-seed") or 0
        start = datetime.now(UTC).replace(microsecond=0)  # as in reality: a suite may know that a certificate is valid
        config.pluginmanager.register(WorkerOption(seed, start), "retrysim-worker")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if not file_path.name.endswith(_SUFFIX):
        return None
    from retrysim.pytest_plugin.scenario_items import ScenarioFile

    return ScenarioFile.from_parent(parent, path=file_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.excinfo is not None and not item.config.getoption("fulltrace"):
        end_at_the_users_line(call.excinfo)
    report = yield
    shorten_logs(item, report)
    if call.when == "call" and report_folder(item.config) is not None:
        from retrysim.pytest_plugin.reports import add_reports

        add_reports(item, call, report)
    return report


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Timelines and stories that differ are shown under each other, word under word; of states, a task of each."""
    trace = sys.modules.get("retrysim.trace")  # whoever has such a line has imported it
    if trace is None or op != "==":
        return None
    if isinstance(left, trace.States) and isinstance(right, dict):
        return [f"{left!r} == {right!r}", *left.explained(right)]
    if not (isinstance(left, str) and isinstance(right, str)):
        return None
    if isinstance(left, trace.Line):
        return [f"{left!r} == {right!r}", *trace.aligned(left, right)]
    return [f"{left!r} == {right!r}", *trace.aligned(right, left)] if isinstance(right, trace.Line) else None


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    """A simulation that begins before the test's first line and is undone after its last.

    ``@pytest.mark.retrysim(seed=7)`` gives it keyword arguments; ``--retrysim-seed=7`` wins over the marker's seed.
    """
    from retrysim.pytest_plugin.fixtures import simulate

    with simulate(request) as simulation:
        yield simulation
