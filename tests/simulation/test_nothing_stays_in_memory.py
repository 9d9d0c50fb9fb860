"""When a simulation has ended, in whatever way, nothing of it is left in memory, and no line of it runs any more."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from collections import Counter

import pytest
from greenlet import greenlet
from ways_to_end import SAID, WAYS, play

from retrysim import Simulation
from retrysim.celery.redis.server import RedisServer
from retrysim.celery.redis.sockets import Socket
from retrysim.celery.worker import Worker
from retrysim.fakes.fake import Fake
from retrysim.kernel import Environment, Process
from retrysim.trace import Trace

pytestmark = pytest.mark.slow

#: What is heavy, or leads to something heavy.
KINDS = (Simulation, Environment, Process, greenlet, Worker, Trace, RedisServer, Socket, Fake)


def alive():
    gc.collect()
    gc.collect()  # what has a finalizer (Celery's AsyncResult) is found again after it
    found = [one for one in gc.get_objects() if issubclass(type(one), KINDS)]
    return Counter(type(one).__name__ for one in found)


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new():
    """Let the collector, and so ``alive``, look at what is made from here on: a session has a million objects."""
    logging.disable()  # pytest keeps what is logged, with the frames of each traceback, until a test ends
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    logging.disable(logging.NOTSET)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("broker", ["memory", "redis"])
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_of_a_simulation(way, broker, monkeypatch):
    play(way, broker)  # the first one imports what the others find
    before = alive()
    SAID.clear()
    monkeypatch.setattr(sys, "unraisablehook", lambda error: SAID.append(repr(error)))

    for _ in range(2):
        play(way, broker)

    assert (alive(), SAID) == (before, [])


@pytest.mark.filterwarnings("ignore")
def test_an_event_loop_of_a_real_thread_keeps_no_simulation():
    begun, loop = threading.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    play("a coroutine that is left", "memory")
    before = alive()
    with Simulation():
        thread.start()  # it waits in what stands in for select from now on
        loop.call_soon_threadsafe(begun.set)
        begun.wait()

    play("a coroutine that is left", "memory")

    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert alive() == before
