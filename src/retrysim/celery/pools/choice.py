"""Chooses the pool of a worker by the name that ``celery worker -P`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from retrysim.celery.pools.gevent import TaskPool as GeventPool
from retrysim.celery.pools.solo import TaskPool as SoloPool
from retrysim.celery.pools.threads import TaskPool as ThreadsPool
from retrysim.celery.shared_memory import SharedMemory
from retrysim.errors import InputError, Unsupported
from retrysim.kernel import Environment
from retrysim.nearest import did_you_mean

PoolName = Literal["prefork", "threads", "gevent", "solo"]
#: Every pool that is simulated.
POOLS: tuple[PoolName, ...] = get_args(PoolName)
_ALIASES = {"processes": "prefork"}  # Celery's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A kind of pool: its class, and whether its workers can have kombu's event loop."""

    name: str
    pool_class: Any
    may_use_hub: bool = True

    def bound_to(
        self, environment: Environment, worker_name: str, *, isolated: bool = False, memory: SharedMemory | None = None
    ) -> Any:
        """The class for one worker: Celery makes the instance, so what it needs is on the class.

        Raises ``InputError`` for a pool without processes that is to be ``isolated``.
        """
        if isolated and self.name != "prefork":
            raise InputError(
                f"isolated=True gives each pool process a process of the machine, and pool={self.name!r} has none: "
                "use pool='prefork'"
            )
        timer = type("Timer", (self.pool_class.Timer,), {"environment": environment})
        own: dict[str, Any] = {
            "environment": environment,
            "worker_name": worker_name,
            "Timer": timer,
            "memory": memory,
        }
        if isolated:
            own["isolated"] = True
        # `inspect stats` tells where the class is from; a worker of that kind says Celery's own module.
        module = {"threads": "thread"}.get(self.name, self.name)
        return type("TaskPool", (self.pool_class,), {**own, "__module__": f"celery.concurrency.{module}"})


def pool_named(name: str, prefork: Any) -> Pool:
    """The pool of that name; ``prefork`` is the broker's own kind of it. Raises ``InputError``."""
    name = _ALIASES.get(name, name)
    classes = {"prefork": prefork, "threads": ThreadsPool, "gevent": GeventPool, "solo": SoloPool}
    if name == "eventlet":
        raise Unsupported("pool='eventlet' is not simulated; pool='gevent' behaves alike: write that")
    if name not in classes:
        known = ", ".join(POOLS)
        raise InputError(f"there is no pool {name!r}{did_you_mean(name, POOLS)} (the pools are {known})")
    return Pool(name=name, pool_class=classes[name], may_use_hub=name != "gevent")
