"""A lock in Redis, and a retry in three minutes for whoever does not get it."""

import time
from contextlib import contextmanager

from celery import Celery

app = Celery("redis_lock", broker="redis://localhost:6379/0")


@contextmanager
def lock(owner, seconds=600):
    """Whether we have the lock; the Redis is the broker's."""
    with app.pool.acquire(block=True) as connection:
        redis = connection.default_channel.client
        acquired = bool(redis.set("import-lock", owner, nx=True, ex=seconds))
        try:
            yield acquired
        finally:
            if acquired:
                redis.delete("import-lock")


@app.task(bind=True)
def trap(self):
    with lock(self.request.id) as acquired:
        if not acquired:
            raise self.retry(countdown=180)
        time.sleep(60)


@app.task(bind=True, max_retries=None)
def fixed(self):
    with lock(self.request.id) as acquired:
        if not acquired:
            raise self.retry(countdown=180)
        time.sleep(60)
