"""The pytest plugin: fixture ``sim``, and scenario files as test items. Nothing heavy is imported until one is used."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrysim.pytest_plugin.failures import (
    add_replay,
    end_at_the_users_line,
    name_errors_briefly,
    noting_who_logs,
    shorten_logs,
)
from retrysim.pytest_plugin.settings import apply, project_of, report_folder, take_back

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
        "--retrysim-explore",
        metavar="DURATION",
        default=None,
        help="explore each scenario item for so long (60s), and fail it for what nobody has accepted",
    )
    group.addoption(
        "--retrysim-worker",
        action="store_true",
        help="run the workers of celery.contrib.pytest in virtual time, on simulated brokers",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    apply(early_config)
    if early_config.known_args_namespace.retrysim_worker:
        from retrysim.pytest_plugin.worker_option import WorkerOption

        seed = early_config.known_args_namespace.retrysim_seed or 0
        start = datetime.now(UTC).replace(microsecond=0)  # as in reality: a suite may know that a certificate is valid
        allow = project_of(early_config).of_simulation.get("allow", ())
        early_config.pluginmanager.register(WorkerOption(seed, start, allow), "retrysim-worker")


def pytest_unconfigure(config: pytest.Config) -> None:
    take_back(config)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "retrysim(seed=0, start=..., allow=(...)): keyword arguments of the simulation of fixture `sim`"
    )
    config.addinivalue_line(
        "markers", "retrysim_explore(faults=..., time=..., runs=..., accept=...): explore a test of the fixture `sim`"
    )
    if report_folder(config) is not None:
        from retrysim.pytest_plugin.reports import prepare

        prepare(config)


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
    name_errors_briefly(report)
    add_replay(item, report)
    if call.when == "call" and report_folder(item.config) is not None:
        from retrysim.pytest_plugin.reports import add_reports

        add_reports(item, call, report)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if pyfuncitem.get_closest_marker("retrysim_explore") is None:
        return None
    from retrysim.pytest_plugin.exploring import explore_function

    return explore_function(pyfuncitem) or None


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Timelines and stories that differ are shown under each other, word under word; of states, a task of each."""
    trace = sys.modules.get("retrysim.trace")  # whoever has such a line has imported it
    if trace is None or op != "==":
        return None
    if isinstance(left, trace.States) and isinstance(right, dict):
        return [f"{left!r} == {right!r}", *left.explained(right)]
    if not (isinstance(left, str) and isinstance(right, str)):
        return None
    if isinstance(left, trace.Words):
        return [f"{left!r} == {right!r}", *trace.aligned(left, right)]
    return [f"{left!r} == {right!r}", *trace.aligned(right, left)] if isinstance(right, trace.Words) else None


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    """A simulation that begins before the test's first line and is undone after its last.

    ``@pytest.mark.retrysim(seed=7)`` gives it keyword arguments; ``--retrysim-seed=7`` wins over the marker's seed.
    """
    from retrysim.pytest_plugin.fixtures import simulate

    __tracebackhide__ = True
    with noting_who_logs(request.node) as log, simulate(request) as simulation:
        yield simulation
        log.over = True
