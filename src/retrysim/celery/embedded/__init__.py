"""Workers of ``celery.contrib.testing`` in virtual time: Celery starts them itself, in what it takes for a thread."""

from retrysim.celery.embedded.consumers import wake_for_pending_operations
from retrysim.celery.embedded.hosts import Hosts
from retrysim.celery.embedded.pools import virtual_pools
from retrysim.celery.embedded.thread import virtual_worker_threads

__all__ = ["Hosts", "virtual_pools", "virtual_worker_threads", "wake_for_pending_operations"]
