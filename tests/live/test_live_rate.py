"""Waits of a process that lives faster end sooner, by its own clock as late as ever."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from retrysim.live.rate import live_faster
import time
def real():
    return time.clock_gettime(time.CLOCK_MONOTONIC)
live_faster(20)
import asyncio, queue, select, selectors, signal, socket, threading
from kombu.utils.eventio import poll

def get():
    try:
        queue.Queue().get(timeout=2)
    except queue.Empty:
        pass

def pause():
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 2)
    signal.pause()

waits = {
    "sleep": lambda: time.sleep(2),
    "event": lambda: threading.Event().wait(2),
    "queue": get,
    "select": lambda: select.select([], [], [], 2),
    "selector": lambda: selectors.DefaultSelector().select(2),
    "kombu": lambda: poll().poll(2),
    "asyncio": lambda: asyncio.run(asyncio.sleep(2)),
    "itimer": pause,
}
before, began = real(), time.monotonic()
waits[sys.argv[1]]()
print(real() - before, time.monotonic() - began)
"""


@pytest.mark.parametrize("wait", ["sleep", "event", "queue", "select", "selector", "kombu", "asyncio", "itimer"])
def test_a_wait_of_two_seconds_takes_a_twentieth(wait):
    done = subprocess.run([sys.executable, "-c", PROGRAM, wait], capture_output=True, text=True, check=True)

    real, own = map(float, done.stdout.split())
    assert 0.09 < real < 1.5
    assert own == pytest.approx(real * 20, rel=0.2)
