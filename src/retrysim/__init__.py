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
    RetrysimError,
    Runaway,
    SimulationError,
    UnservedHost,
    Unsupported,
    Violation,
)

if TYPE_CHECKING:
    from retrysim.kernel import Limits
    from retrysim.pytest_plugin.fixtures import fixture
    from retrysim.simulation import Simulation

__all__ = [
    "Deadlock",
    "InputError",
    "InternalError",
    "Limits",
    "RetrysimError",
    "Runaway",
    "Simulation",
    "SimulationError",
    "UnservedHost",
    "Unsupported",
    "Violation",
    "fixture",
]

_LAZY = {
    "Limits": "retrysim.kernel",
    "Simulation": "retrysim.simulation",
    "fixture": "retrysim.pytest_plugin.fixtures",
}


def __getattr__(name: str) -> Any:
    """Import what is heavy (Celery, freezegun) when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
