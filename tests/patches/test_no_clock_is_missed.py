"""No reference to a real clock may be left in the libraries that a worker is made of, in whatever release.

The search is by identity over all objects of the interpreter, so a new default argument, closure, class attribute or
``functools.partial`` in the next release of one of them turns this red.
"""

import subprocess
import sys
from types import ModuleType

import pytest

from retrysim import Simulation

pytestmark = pytest.mark.slow

PROGRAM = r'''
import datetime, gc, sys, time, types
import celery, kombu, vine, billiard, amqp, redis, fakeredis
import billiard.pool, celery.app.trace, celery.app.log, celery.apps.worker, celery.apps.beat, celery.backends.redis
import celery.beat, celery.bin.celery, celery.concurrency.prefork, celery.concurrency.solo, celery.concurrency.thread
import celery.contrib.testing.worker, celery.events.state, celery.events.receiver, celery.schedules, celery.worker
import celery.worker.autoscale, celery.worker.consumer, celery.worker.consumer.gossip, celery.worker.control
import kombu.asynchronous.hub, kombu.transport.memory, kombu.transport.redis, kombu.transport.pyamqp, kombu.pidbox
import redis.client, redis.asyncio
from retrysim.clock import VirtualClock
from retrysim.kernel import Environment, Streams
from retrysim.patches import virtual_standard_library

LIBRARIES = ("celery", "kombu", "vine", "billiard", "amqp", "redis", "fakeredis")
NAMES = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "localtime",
         "gmtime", "ctime")
reals = {id(getattr(time, n)): "time." + n for n in NAMES}
reals[id(datetime.datetime)] = "datetime.datetime"
reals[id(datetime.date)] = "datetime.date"
keep = [getattr(time, n) for n in NAMES] + [datetime.datetime, datetime.date]


def owner(holder, depth=0):
    """Which of the libraries a container belongs to, if one."""
    if isinstance(holder, dict) and str(holder.get("__name__", "")).split(".")[0] in LIBRARIES:
        return holder["__name__"]
    if isinstance(holder, types.FunctionType) and (holder.__module__ or "").split(".")[0] in LIBRARIES:
        return holder.__module__ + "." + holder.__qualname__
    if isinstance(holder, type) and holder.__module__.split(".")[0] in LIBRARIES:
        return holder.__module__ + "." + holder.__qualname__
    if depth < 2 and isinstance(holder, (tuple, list, dict, types.CellType)) or type(holder).__name__ == "partial":
        for above in gc.get_referrers(holder):
            found = None if above is keep else owner(above, depth + 1)
            if found:
                return found
    return None


with virtual_standard_library(Environment(VirtualClock(10**18)), Streams(0)):
    gc.collect()
    missed = set()
    for real in keep:
        for holder in gc.get_referrers(real):
            if holder is keep or isinstance(holder, types.FrameType):
                continue
            found = owner(holder)
            if found:
                missed.add((found, reals[id(real)]))
for entry in sorted(missed):
    print(*entry)
'''

#: Registries of types, for serialisers: they compare with the class and read no clock.
HARMLESS = {
    "billiard.reduction.ForkingPickler datetime.date",
    "billiard.reduction.ForkingPickler datetime.datetime",
    "kombu.utils.json datetime.date",
    "kombu.utils.json datetime.datetime",
}


def test_no_real_clock_is_left_in_celery_kombu_vine_billiard_amqp_redis_fakeredis():
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)

    assert ran.stderr == ""
    assert set(ran.stdout.splitlines()) == HARMLESS


def test_a_lazy_object_in_a_module_is_not_evaluated(monkeypatch):
    """Django's settings are one: asked for their class, they look for a module that may not be there."""

    class Lazy:
        @property
        def __class__(self):
            raise AssertionError("it was evaluated")

    module = ModuleType("module_with_a_lazy_object")
    module.settings = Lazy()
    monkeypatch.setitem(sys.modules, module.__name__, module)

    with Simulation():
        assert type(module.settings) is Lazy
