"""``pytest --retrysim-worker``: the workers of ``celery.contrib.pytest`` and ``.testing`` in virtual time.

Celery's own fixtures and its own ``start_worker`` run, however a test came by them. Virtual is the time of a test that
has one of the fixtures, of one that starts a worker, and of every test while a worker runs; all other tests keep the
real clocks. Celery is not imported before a test has: some instrument it first.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from retrysim.durations import SECOND, format_duration
from retrysim.pytest_plugin.after_import import after_import
from retrysim.pytest_plugin.first_use import before_first_use
from retrysim.undo import UndoStack

if TYPE_CHECKING:
    from retrysim.simulation.embedded import EmbeddedWorld

#: The fixtures of ``celery.contrib.pytest`` that make an app or a worker.
FIXTURES = frozenset({"celery_app", "celery_session_app", "celery_worker", "celery_session_worker"})
#: Where ``start_worker`` is; it looks up what starts the thread each time it is called.
_MODULE = "celery.contrib.testing.worker"
#: The name under which a test's report carries its virtual duration, in seconds.
VIRTUAL_SECONDS = "retrysim_virtual_seconds"


class WorkerOption:
    """The hooks; one world for the whole session, made when the first test needs it."""

    def __init__(self, seed: int, start: datetime, allow: Iterable[str] = ()) -> None:
        self._seed = seed
        self._allow = tuple(allow)
        self._start = start
        self._undo = UndoStack()
        self._world: EmbeddedWorld | None = None
        self._making = False
        self._workers = 0
        self._tests = 0
        self._virtual_ns = 0
        after_import(self._undo, _MODULE, self._watch)
        before_first_use(self._undo, self._make_world)

    def close(self) -> None:
        """Give everything back."""
        self._undo.close()
        self._world = None

    # -- when time is virtual ------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if self._world is None:
            return
        if self._workers or FIXTURES.intersection(getattr(item, "fixturenames", ())):
            self._world.start_time()
        else:
            self._world.stop_time()

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        if fixturedef.argname in FIXTURES:
            self._start_time()

    def _make_world(self) -> None:
        """Simulated servers answer from here on; time stays real until a test has to do with a worker."""
        if self._world is None and not self._making:
            self._making = True  # what this imports may be used by it, too
            from retrysim.simulation.embedded import EmbeddedWorld

            world = EmbeddedWorld(seed=self._seed, start=self._start, allow=self._allow)
            self._world = self._undo.enter_context(world)

    def _start_time(self) -> None:
        self._make_world()
        assert self._world is not None
        self._world.start_time()

    def _watch(self, module: ModuleType) -> None:
        """Time is virtual from where a worker is started, whoever starts it."""
        start: Callable[..., Any] = module._start_worker_thread

        @contextmanager
        def started(*args: Any, **kwargs: Any) -> Iterator[Any]:
            self._start_time()
            self._workers += 1
            try:
                with start(*args, **kwargs) as worker:
                    yield worker
            finally:
                self._workers -= 1

        self._undo.set_attribute(module, "_start_worker_thread", started)

    # -- how much of it ------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        __tracebackhide__ = True  # of a test whose decorator raises, pytest shows each frame
        began_ns = self._now_ns()
        try:
            return (yield)
        finally:
            if self._world is not None:
                item.user_properties.append((VIRTUAL_SECONDS, (self._now_ns() - began_ns) / SECOND))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        began_ns = self._now_ns()
        try:
            return (yield)
        finally:
            self._tests += self._world is not None and self._world.time_is_virtual
            self._virtual_ns += self._now_ns() - began_ns
            if self._world is not None:
                self._world.put_settings_back()
                self._world.stop_time()  # between two tests pytest itself waits, as pytest-xdist does for the next one

    def _now_ns(self) -> int:
        return 0 if self._world is None else self._world.elapsed_ns

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        took = format_duration(self._virtual_ns)
        terminalreporter.write_line(f"retrysim: {self._tests} tests with Celery's workers, {took} of virtual time")

    def pytest_unconfigure(self) -> None:
        self.close()
