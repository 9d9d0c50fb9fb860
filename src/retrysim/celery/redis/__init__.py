"""A worker on Redis: kombu's own transport and hub, on a Redis server that is part of the simulation."""

from retrysim.celery.redis.broker import RedisBroker

__all__ = ["RedisBroker"]
