"""What storing a result meets: nothing, slowness, or a store that is down."""

from __future__ import annotations

import errno
import os
from typing import Any

from retrysim.kernel import Environment


class ResultConditions:
    """The state of the result store of one simulation."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.slow_by_ns = 0
        self.is_down = False

    def before_storing(self) -> None:
        """Called before a result is stored. Raises ``ConnectionRefusedError`` when the store is down."""
        if self.is_down:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        if self.slow_by_ns:
            self._environment.sleep(self.slow_by_ns)


class ConditionedBackend:
    """A mix-in for Celery's result backends: storing meets the ``conditions``."""

    conditions: ResultConditions

    def _store_result(self, *args: Any, **kwargs: Any) -> Any:
        self.conditions.before_storing()
        return super()._store_result(*args, **kwargs)  # type: ignore[misc]
