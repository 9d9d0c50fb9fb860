"""A Ctrl-C while a simulation begins or ends leaves nothing patched."""

import signal
import sys
import time

import pytest

from retrysim import Simulation

pytestmark = pytest.mark.slow

REAL = (time.time, signal.signal, signal.getsignal(signal.SIGINT))
#: What raises a signal, out of reach of a simulation, which replaces globals of this module.
_RAISE = {"signal": signal.raise_signal}


class InterruptAtCall:
    """A profiler that counts calls of functions, and sends the signal of a Ctrl-C at one of them."""

    def __init__(self, number=None):
        self.calls = 0
        self._number = number

    def __call__(self, frame, event, arg):
        if event == "call":
            self.calls += 1
            if self.calls == self._number:
                sys.setprofile(None)
                _RAISE["signal"](signal.SIGINT)


def simulate(profiler):
    sys.setprofile(profiler)
    try:
        with Simulation():
            pass
    finally:
        sys.setprofile(None)


def calls_of_a_simulation():
    for _ in range(2):  # the first one imports, the second looks into what was imported
        simulate(InterruptAtCall())
    counting = InterruptAtCall()
    simulate(counting)
    return counting.calls


def test_an_interrupt_while_a_simulation_begins_or_ends_leaves_nothing_patched():
    calls = calls_of_a_simulation() * 9 // 10  # it makes fewer in time, since some are remembered

    for number in range(1, calls, calls // 20):
        with pytest.raises(KeyboardInterrupt):
            simulate(InterruptAtCall(number))

        assert (time.time, signal.signal, signal.getsignal(signal.SIGINT)) == REAL, f"interrupted at call {number}"
        with Simulation() as sim:
            assert time.time() == sim.now.timestamp()


def interrupted_twice(profiler):
    """A simulation whose block ends by a Ctrl-C, with another one at a call of its end."""
    try:
        with Simulation():
            sys.setprofile(profiler)
            raise KeyboardInterrupt
    finally:
        sys.setprofile(None)


def test_a_second_interrupt_while_the_first_one_ends_the_simulation_leaves_nothing_patched():
    counting = InterruptAtCall()
    for _ in range(2):
        counting.calls = 0
        with pytest.raises(KeyboardInterrupt):
            interrupted_twice(counting)
    early = range(2, 12)  # at the first one nothing of ours has run yet

    for number in (*early, *range(12, counting.calls, counting.calls // 10)):
        with pytest.raises(KeyboardInterrupt):
            interrupted_twice(InterruptAtCall(number))

        assert (time.time, signal.signal, signal.getsignal(signal.SIGINT)) == REAL, f"interrupted at call {number}"
