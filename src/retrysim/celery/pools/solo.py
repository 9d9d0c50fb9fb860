"""Celery's own solo pool: a task runs in the worker's main process, and nothing else does meanwhile.

No heartbeat, no remote control, no ack of an early-acked task on Redis (the event loop would do it), no time limit.
"""

from __future__ import annotations

from celery.concurrency import solo

from retrysim.celery.pools.inline import InlinePool


class TaskPool(InlinePool, solo.TaskPool):  # type: ignore[misc]
    """Bound to a simulation by ``pool_named(...).bound_to``."""
