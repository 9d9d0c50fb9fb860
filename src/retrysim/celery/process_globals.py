"""What a worker process has for itself lives in globals of Celery and kombu: here each simulated process has its own.

``celery.worker.state`` knows the reserved, active and revoked tasks and whether to stop; kombu knows its current event
loop; ``celery.app.trace`` the task registry; an app its queues and pools. Two workers in one process would share them
all: both would consume both queues, and stopping one would stop the other. So whenever control goes to another
simulated process, every reference to these objects is turned to that process's own; their contents are never copied.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from importlib import import_module
from types import BuiltinMethodType, FunctionType, MethodType, MethodWrapperType, ModuleType
from typing import Any

import celery.worker
import kombu.asynchronous.hub
from celery import _state
from celery.app import trace
from celery.utils.collections import LimitedSet
from celery.worker import state
from kombu import pools

from retrysim.kernel import Environment, Host, OwnState
from retrysim.patches.asking_nothing import name_of
from retrysim.patches.loaded import Findings, Loaded, loaded_modules

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

#: Looked at by their type alone: whatever else is there may be a proxy that makes an app when it is asked.
_METHODS = (MethodType, BuiltinMethodType, MethodWrapperType)


class ProcessGlobals(OwnState):
    """The globals of Celery and kombu, for each simulated process; the children of a pool have their worker's."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._originals = [getattr(state, name) for name in _CONTAINERS if hasattr(state, name)]
        self._originals += [trace._localized, pools.connections, pools.producers]
        self._all_total_count = state.all_total_count
        self._find_containers()
        for owner, name, new in _NAMES:
            self.add_name(owner, name, partial(_same, new))

    def add_name(self, owner: Any, name: str, fresh: Callable[[], Any]) -> None:
        """Let ``owner.name`` be each process's own; ``fresh()`` is its value in a new one."""
        self.add(lambda: getattr(owner, name), lambda value: setattr(owner, name, value), lambda _: fresh())

    def keeper(self, host: Host) -> Host:
        return host.top

    def _own(self, host: Host) -> dict[int, Any]:
        """The containers of a host, by the ``id`` of the originals: one object, however many names lead to it."""
        own: dict[int, Any] | None = host.own.get(_CONTAINERS)
        if own is None:
            own = host.own[_CONTAINERS] = {id(original): _emptied(original) for original in self._originals}
            own[id(self._all_total_count)] = [0]
        return own

    # -- finding the references ----------------------------------------------------------------------------------------

    def _find_containers(self) -> None:
        _import_all()
        loaded_modules().refresh()
        watched = frozenset(map(id, self._originals))
        for one, references in _findings(watched).all():
            for name, original in references.names:
                self._watch_name(one.module, name, original)
            for function in references.functions:
                self._watch_defaults(function)

    def _watch_name(self, module: ModuleType, name: str, original: int) -> None:
        namespace = vars(module)
        self.add(
            lambda: namespace[name],
            lambda value: namespace.__setitem__(name, value),
            lambda host: self._own(host)[original],
        )

    def _watch_defaults(self, function: FunctionType) -> None:
        defaults = function.__defaults__ or ()
        self.add(
            lambda: function.__defaults__,
            lambda value: setattr(function, "__defaults__", value),
            lambda host: tuple(_rebound(value, self._own(host)) for value in defaults),
        )


@dataclass(slots=True)
class _References:
    """Where a module refers to the originals: names with the ``id`` of theirs, and functions with such defaults."""

    names: list[tuple[str, int]] = field(default_factory=list)
    functions: list[FunctionType] = field(default_factory=list)


@lru_cache(2)
def _findings(watched: frozenset[int]) -> Findings[_References]:
    return Findings(partial(_search, watched))


def _search(watched: frozenset[int], one: Loaded) -> _References | None:
    if one.module is not pools and not one.name.startswith("celery."):
        return None
    found, own_name = _References(), name_of(one.module)
    for name, value in list(one.names.items()):
        if id(value) in watched:
            found.names.append((name, id(value)))
        elif type(value) is FunctionType and value.__module__ == own_name and _captures(value, watched):
            found.functions.append(value)
    return found if found.names or found.functions else None


def _captures(function: FunctionType, watched: frozenset[int]) -> bool:
    return any(id(_owner(default)) in watched for default in function.__defaults__ or ())


def _same(value: Any) -> Any:
    return value


@cache
def _import_all() -> None:
    """Import what may refer to a worker's globals: imported later, it would capture those of whoever runs then."""
    for _, name, _ in pkgutil.walk_packages(celery.worker.__path__, "celery.worker."):
        import_module(name)


def _owner(value: Any) -> Any:
    """The object that a captured bound method belongs to; anything else is its own."""
    return value.__self__ if type(value) in _METHODS else value


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
