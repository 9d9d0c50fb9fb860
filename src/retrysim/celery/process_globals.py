"""What a worker process has for itself lives in globals of Celery and kombu: here each simulated process has its own.

``celery.worker.state`` knows the reserved, active and revoked tasks and whether to stop; kombu knows its current event
loop; ``celery.app.trace`` the task registry; an app its queues and pools. Two workers in one process would share them
all: both would consume both queues, and stopping one would stop the other. So whenever control goes to another
simulated process, every reference to these objects is turned to that process's own; their contents are never copied.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

import celery.worker
import kombu.asynchronous.hub
from celery import _state, platforms
from celery.app import trace
from celery.utils.collections import LimitedSet
from celery.worker import state
from kombu import pools

from retrysim.celery.signals import SignalTable
from retrysim.undo import UndoStack

#: The containers of ``celery.worker.state``, in any supported version.
_CONTAINERS = (
    "requests",
    "reserved_requests",
    "active_requests",
    "scheduled_requests",
    "successful_requests",
    "total_count",
    "all_total_count",
    "revoked",
    "revoked_stamps",
)
#: Names that are bound anew while a worker runs: who owns them, and their value in a new process.
_NAMES: tuple[tuple[Any, str, Any], ...] = (
    (state, "should_stop", None),
    (state, "should_terminate", None),
    (kombu.asynchronous.hub, "_current_loop", None),
    (_state, "_task_join_will_block", False),
    (_state, "default_app", None),
)

Get = Callable[[], Any]
Set = Callable[[Any], None]


class ProcessGlobals:
    """The globals of every simulated process; ``None`` stands for the test's own."""

    def __init__(self) -> None:
        self._places: list[tuple[Get, Set]] = []
        self._values: dict[object, list[Any]] = {None: []}
        self._fresh: list[Callable[[dict[int, Any]], Any]] = []
        self._current: object = None
        self._originals = [getattr(state, name) for name in _CONTAINERS if hasattr(state, name)]
        self._originals += [trace._localized, pools.connections, pools.producers]
        self._all_total_count = state.all_total_count
        self._find_containers()
        for owner, name, new in _NAMES:
            self.add(owner, name, partial(_same, new))
        self.add(platforms, "signals", SignalTable)

    def add(self, owner: Any, name: str, fresh: Callable[[], Any]) -> None:
        """Let ``owner.name`` be each process's own; ``fresh()`` is its value in a new one."""
        self._add_place(lambda: getattr(owner, name), lambda value: setattr(owner, name, value), lambda _: fresh())
        for process, values in self._values.items():
            if process is not None and len(values) < len(self._places):
                values.append(fresh())

    def connect(self, undo: UndoStack) -> None:
        """When ``undo`` is unwound, the test's own values are back, whoever ran last."""
        undo.then(lambda: self.enter(None))

    def start(self, process: object) -> None:
        """Give a process new globals, as it has them when its interpreter starts."""
        assert process is not self._current, "a process does not start itself"
        own = {id(original): _emptied(original) for original in self._originals}
        own[id(self._all_total_count)] = [0]
        self._values[process] = [fresh(own) for fresh in self._fresh]

    def enter(self, process: object) -> None:
        """From here on every reference leads to the globals of this process."""
        if process is self._current:
            return
        self._values[self._current] = [get() for get, _ in self._places]
        for (_, put), value in zip(self._places, self._values[process], strict=True):
            put(value)
        self._current = process

    @contextmanager
    def inside(self, process: object) -> Iterator[None]:
        """Run a block with the globals of a process, on the thread that asks."""
        before, current_app = self._current, _state._tls.current_app
        self.enter(process)
        _state._tls.current_app = None
        try:
            yield
        finally:
            _state._tls.current_app = current_app
            self.enter(before)

    # -- finding the references ----------------------------------------------------------------------------------------

    def _add_place(self, get: Get, put: Set, fresh: Callable[[dict[int, Any]], Any]) -> None:
        self._places.append((get, put))
        self._fresh.append(fresh)

    def _find_containers(self) -> None:
        watched = {id(original) for original in self._originals}
        for module in _celery_modules():
            for name, value in list(vars(module).items()):
                if id(value) in watched:
                    self._watch_name(module, name, id(value))
                elif isinstance(value, FunctionType) and value.__module__ == module.__name__:
                    self._watch_defaults(value, watched)

    def _watch_name(self, module: ModuleType, name: str, original: int) -> None:
        namespace = vars(module)
        self._add_place(
            lambda: namespace[name], lambda value: namespace.__setitem__(name, value), lambda own: own[original]
        )

    def _watch_defaults(self, function: FunctionType, watched: set[int]) -> None:
        defaults = function.__defaults__ or ()
        if any(id(_owner(value)) in watched for value in defaults):
            self._add_place(
                lambda: function.__defaults__,
                lambda value: setattr(function, "__defaults__", value),
                lambda own: tuple(_rebound(value, own) for value in defaults),
            )


def _same(value: Any) -> Any:
    return value


@cache
def _import_all() -> None:
    """Import what may refer to a worker's globals: imported later, it would capture those of whoever runs then."""
    for _, name, _ in pkgutil.walk_packages(celery.worker.__path__, "celery.worker."):
        import_module(name)


def _celery_modules() -> Iterator[ModuleType]:
    _import_all()
    yield pools
    for name, module in list(sys.modules.items()):
        if name.startswith("celery.") and isinstance(module, ModuleType):
            yield module


def _owner(value: Any) -> Any:
    """The object that a captured bound method belongs to; anything else is its own."""
    return getattr(value, "__self__", value)


def _rebound(value: Any, own: dict[int, Any]) -> Any:
    """A captured container, or a captured method of one, as the process's own."""
    mine = own.get(id(_owner(value)))
    if mine is None:
        return value
    return mine if value is _owner(value) else getattr(mine, value.__name__)


def _emptied(container: Any) -> Any:
    """A new container of the same kind and settings, as a new process has it."""
    if isinstance(container, LimitedSet):
        return LimitedSet(maxlen=container.maxlen, expires=container.expires, minlen=container.minlen)
    if isinstance(container, pools.PoolGroup):
        return type(container)(limit=container.limit)
    return type(container)()
