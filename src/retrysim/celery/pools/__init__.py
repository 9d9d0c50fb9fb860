"""The kinds of pool that a worker may have, each Celery's own where that needs no process and no thread.

A worker of each kind runs the loop that a real one would: ``synloop`` under gevent and on kombu's memory transport,
``asynloop`` otherwise.
"""

from retrysim.celery.pools.choice import POOLS, PoolName, pool_named

__all__ = ["POOLS", "PoolName", "pool_named"]
