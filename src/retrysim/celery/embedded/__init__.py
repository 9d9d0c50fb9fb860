"""Workers of ``celery.contrib.testing`` in virtual time: Celery starts them itself, in what it takes for a thread."""

from retrysim.celery.embedded.consumers import wake_for_pending_operations
from retrysim.celery.embedded.pools import virtual_pools
from retrysim.celery.embedded.state import EmbeddedState
from retrysim.celery.embedded.thread import virtual_worker_threads
from retrysim.celery.embedded.work import let_work_take_time

__all__ = [
    "EmbeddedState",
    "let_work_take_time",
    "virtual_pools",
    "virtual_worker_threads",
    "wake_for_pending_operations",
]
