"""What the pools have in common that run Celery's own code: which tasks run, and who is blocked meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.concurrency.base import BasePool

from retrysim.celery.shared_memory import SharedMemory
from retrysim.celery.timer import Timer
from retrysim.kernel import Environment


class InlinePool(BasePool):  # type: ignore[misc]
    """Goes before a pool class of Celery's; a task runs in the process that calls its target."""

    environment: Environment
    worker_name: str
    Timer: Any = Timer
    #: its tasks run in the worker's main process
    has_pool_processes, num_memories = False, 1
    memory: SharedMemory | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        #: the ids of the tasks whose body has begun and not ended
        self.running: list[str] = []
        super().__init__(*args, **options)

    def apply_async(self, target: Callable[..., Any], *args: Any, correlation_id: str = "", **options: Any) -> Any:
        """As Celery's; notes meanwhile that the task runs."""
        noted = self._noted(target, correlation_id)
        return super().apply_async(noted, *args, correlation_id=correlation_id, **options)

    def _noted(self, target: Callable[..., Any], task_id: str) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            process = self.environment.current
            assert process is not None
            self.running.append(task_id)
            process.begin_task()
            try:
                return self._watched(target, *args, **kwargs)
            finally:
                process.end_task()
                self.running.remove(task_id)

        return run

    def _watched(self, target: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
        """Run a task, and look at what it changes of what is shared with other workers."""
        if self.memory is None:
            return target(name, *args, **kwargs)
        self.memory.begin(self, name)
        outcome = target(name, *args, **kwargs)
        self.memory.end(self, name)
        return outcome

    def lose_child(self, task_id: str | None, signal: int) -> bool:
        """There are no processes to lose."""
        return False
