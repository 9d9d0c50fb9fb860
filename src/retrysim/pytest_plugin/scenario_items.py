"""A ``*.scenario.yaml`` file as pytest sees it: one test item per item of the scenario."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from retrysim.errors import InputError
from retrysim.pytest_plugin.reports import remember
from retrysim.pytest_plugin.settings import project_of
from retrysim.scenarios import SUFFIX, Scenario, ScenarioItem, items_of, load

#: How many captured lines are shown of an item that failed.
_LOG_LINES = 12


class ScenarioFailed(Exception):  # noqa: N818 - pytest shows the name
    """An item whose expectations do not all hold; the text is all there is to say."""


class ScenarioFile(pytest.File):
    """One scenario file."""

    def collect(self) -> Iterable[ScenarioTest]:
        try:
            scenario = load(_relative(self.path), project=project_of(self.config))
        except InputError as error:
            raise self.CollectError(str(error)) from None
        stem = self.path.name.removesuffix(SUFFIX)
        for item in items_of(scenario, seed=self.config.getoption("--retrysim-seed")):
            yield ScenarioTest.from_parent(self, name=f"{stem}[{item.id}]", item=item, scenario=scenario)


class ScenarioTest(pytest.Item):
    """One item of a scenario."""

    def __init__(self, *, item: ScenarioItem, scenario: Scenario, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._item = item
        #: what the page of its run is called
        self.title = f"{scenario.name} [{item.id}]"
        for tag in scenario.spec.tags:
            self.config.addinivalue_line("markers", f"{tag}: a tag of scenario files")
            self.add_marker(tag)
        if scenario.spec.xfail is not None:
            self.add_marker(pytest.mark.xfail(reason=scenario.spec.xfail, strict=True))
        if item.skipped is not None:
            self.add_marker(pytest.mark.skip(reason=item.skipped))

    def runtest(self) -> None:
        from retrysim.simulation.player import play

        with self._databases():
            outcome = play(self._item, watch=partial(remember, self))
        if not outcome.passed:
            raise ScenarioFailed(f"{outcome.text()}\n        pytest {self.nodeid!r} --retrysim-seed={self._item.seed}")
        duration = self.config.getoption("--retrysim-explore")
        if duration is not None and self._item.celery == "worker":
            from retrysim.pytest_plugin.exploring import text_of_new

            if (text := text_of_new(self._item, self.config, duration)) is not None:
                raise ScenarioFailed(text)

    def _databases(self) -> AbstractContextManager[object]:
        """pytest-django refuses every connection, but for tests that ask for one: this one may."""
        plugin = sys.modules.get("pytest_django.plugin")
        blocker = None if plugin is None else self.config.stash.get(plugin.blocking_manager_key, None)
        asks = self._item.scenario.spec.databases is not None
        return blocker.unblock() if blocker is not None and asks else nullcontext()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ScenarioFailed | InputError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def add_report_section(self, when: str, key: str, content: str) -> None:
        """Of what was logged, only the end: a scenario of 200 tasks logs 200 tracebacks."""
        lines = content.split("\n")
        if len(lines) > _LOG_LINES:
            left_out = f"({len(lines) - _LOG_LINES} lines before these; all of them: -o log_file=FILE)"
            lines = [left_out, *lines[-_LOG_LINES:]]
        super().add_report_section(when, key, "\n".join(lines))

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        return self.path, self._item.line - 1, self.name


def _relative(path: Path) -> Path:
    """The path as a person would write it from here."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
