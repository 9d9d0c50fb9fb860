"""retrysim: what Celery retries really do, found out before production does.

from retrysim import Simulation

with Simulation(seed=7) as sim:
    sim.start_worker("proj", concurrency=4)
    ...
    sim.run()
    sim.check()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrysim.errors import (
    Deadlock,
    InputError,
    InternalError,
    RealDatabase,
    RealFile,
    RetrysimError,
    Runaway,
    SimulationError,
    UnservedHost,
    Unsupported,
    Violation,
)

if TYPE_CHECKING:
    from retrysim.exploring.python import explore
    from retrysim.kernel import Limits
    from retrysim.pytest_plugin.fixtures import fixture
    from retrysim.rabbitmq import RabbitMQ
    from retrysim.simulation import Simulation

__all__ = [
    "Deadlock",
    "InputError",
    "InternalError",
    "Limits",
    "RabbitMQ",
    "RealDatabase",
    "RealFile",
    "RetrysimError",
    "Runaway",
    "Simulation",
    "SimulationError",
    "UnservedHost",
    "Unsupported",
    "Violation",
    "explore",
    "fixture",
]

_LAZY = {
    "Limits": "retrysim.kernel",
    "explore": "retrysim.exploring.python",
    "RabbitMQ": "retrysim.rabbitmq",
    "Simulation": "retrysim.simulation",
    "fixture": "retrysim.pytest_plugin.fixtures",
}


def __getattr__(name: str) -> Any:
    """Import what is heavy (Celery, greenlet) when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
