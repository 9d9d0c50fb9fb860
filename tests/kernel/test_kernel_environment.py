"""The kernel: what runs when, what is idle, what is a deadlock, what a runaway."""

import gc
import os
import signal
import subprocess
import sys
import weakref

import pytest

from retrysim.clock import VirtualClock
from retrysim.durations import HOUR, SECOND
from retrysim.errors import Deadlock, Runaway
from retrysim.kernel import Condition, Environment, Limits

START = 1_438_603_200 * SECOND


@pytest.fixture
def env():
    return Environment(VirtualClock(START))


@pytest.fixture
def log(env):
    entries = []

    def note(what):
        entries.append(((env.clock.ns - START) / SECOND, what))

    note.entries = entries
    return note


def test_time_jumps_to_each_wait_in_order(env, log):
    def sleeper(name, seconds):
        env.sleep(seconds * SECOND)
        log(name)

    env.spawn(lambda: sleeper("late", 900), name="late")
    env.spawn(lambda: sleeper("early", 2), name="early")
    env.run()

    assert log.entries == [(2.0, "early"), (900.0, "late")]


def test_ties_break_by_the_order_of_scheduling(env, log):
    for name in "abc":
        env.schedule(START + 5 * SECOND, lambda name=name: log(name))

    env.run()

    assert log.entries == [(5.0, "a"), (5.0, "b"), (5.0, "c")]


def test_a_daemon_event_fires_while_others_keep_the_run_alive_and_never_keeps_it_alive(env, log):
    for second in (1, 2, 3, 60):
        env.schedule(START + second * SECOND, lambda s=second: log(f"heartbeat {s}"), daemon=True)
    env.schedule(START + 2 * SECOND, lambda: log("work"))

    env.run()

    assert log.entries == [(1.0, "heartbeat 1"), (2.0, "heartbeat 2"), (2.0, "work")]
    assert env.clock.ns == START + 2 * SECOND


def test_a_run_until_an_instant_stands_at_that_instant(env, log):
    env.schedule(START + 2 * SECOND, lambda: log("before"))
    env.schedule(START + 20 * SECOND, lambda: log("after"))

    env.run(until_ns=START + 10 * SECOND)

    assert log.entries == [(2.0, "before")]
    assert env.clock.ns == START + 10 * SECOND


def test_a_notified_wait_ends_then_and_its_timeout_is_forgotten(env, log):
    bell = Condition("the bell")
    env.spawn(lambda: log(env.wait(bell, timeout_ns=HOUR)), name="listener")
    env.schedule(START + 3 * SECOND, bell.notify_all)

    env.run()

    assert log.entries == [(3.0, True)]
    assert env.clock.ns == START + 3 * SECOND


def test_a_wait_that_nobody_ends_times_out(env, log):
    env.spawn(lambda: log(env.wait(Condition("nothing"), timeout_ns=4 * SECOND)), name="listener")

    env.run()

    assert log.entries == [(4.0, False)]


def test_a_wait_of_the_driver_runs_the_simulation(env, log):
    bell = Condition("the bell")
    env.schedule(START + 7 * SECOND, bell.notify_all)

    assert env.wait(bell) is True
    assert env.clock.ns == START + 7 * SECOND


def test_a_wait_of_the_driver_for_what_never_comes_is_a_deadlock(env):
    with pytest.raises(Deadlock) as caught:
        env.wait(Condition("the result of task 1"))

    assert str(caught.value) == ("the test waits for the result of task 1, but nothing is left that could bring it")


def test_blocked_names_processes_that_wait_in_vain_but_no_services(env):
    env.spawn(lambda: env.wait(Condition("a lock")), name="task")
    env.spawn(lambda: env.wait(Condition("work")), name="consumer", service=True)

    env.run()

    assert [(p.name, p.wait.condition.name) for p in env.blocked()] == [("task", "a lock")]


def test_stop_inside_a_process_lets_run_return_and_the_next_run_go_on(env, log):
    def process():
        log("before")
        env.stop()
        log("after")

    env.spawn(process, name="p")
    env.run()
    first = list(log.entries)
    env.run()

    assert first == [(0.0, "before")]
    assert log.entries == [(0.0, "before"), (0.0, "after")]


def test_an_exception_in_a_process_comes_out_of_run(env):
    def broken():
        raise ValueError("broken")

    env.spawn(broken, name="p")

    with pytest.raises(ValueError, match="broken"):
        env.run()


def test_a_circle_at_one_instant_is_a_runaway():
    env = Environment(VirtualClock(START), limits=Limits(steps_at_one_instant=1000))

    def circle():
        while True:
            env.sleep(0)

    env.spawn(circle, name="p")

    with pytest.raises(Runaway) as caught:
        env.run()
    env.abandon_all()
    assert str(caught.value) == (
        "1001 steps at 2015-08-03T12:00:00+00:00 and time does not move: something runs in a circle without waiting"
    )


def test_too_much_virtual_time_is_a_runaway():
    env = Environment(VirtualClock(START), limits=Limits(virtual_ns=HOUR))
    env.schedule(START + 2 * HOUR, lambda: None)

    with pytest.raises(Runaway, match=r"more than 1h of virtual time"):
        env.run()


def test_ctrl_c_in_a_process_is_raised_in_the_driver_and_the_handler_is_put_back(env, log):
    before = signal.getsignal(signal.SIGINT)

    def process():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            log("the signal went unnoticed")
        finally:
            log("finally of the process")

    env.spawn(process, name="task")

    with pytest.raises(KeyboardInterrupt):
        env.run()
    env.abandon_all()
    assert log.entries == []
    assert signal.getsignal(signal.SIGINT) is before


class InterruptAtCall:
    """A profiler that sends the signal of a Ctrl-C at one call of a function, which the driver makes."""

    def __init__(self, number):
        self.calls, self._number = 0, number

    def __call__(self, frame, event, arg):
        if event == "call":
            self.calls += 1
            if self.calls == self._number:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGINT)


def run_under(profiler):
    env = Environment(VirtualClock(START))
    env.schedule(START + SECOND, lambda: None)
    sys.setprofile(profiler)
    try:
        env.run()
    finally:
        sys.setprofile(None)
        driven = env.is_driven
        env.abandon_all()
        assert not driven


def test_ctrl_c_at_any_call_of_a_run_ends_the_run():
    before = signal.getsignal(signal.SIGINT)
    run_under(counting := InterruptAtCall(None))

    for number in range(1, counting.calls):
        with pytest.raises(KeyboardInterrupt):
            run_under(InterruptAtCall(number))
        assert signal.getsignal(signal.SIGINT) is before, f"interrupted at call {number}"


def test_ctrl_c_in_a_callback_out_of_which_no_exception_comes_lets_no_line_run_at_the_end(env, log):
    class Referred:
        pass

    def process():
        referred = Referred()
        reference = weakref.ref(referred, lambda _: signal.raise_signal(signal.SIGINT))
        del referred
        log("went on")
        del reference

    env.spawn(process, name="task")

    with pytest.raises(KeyboardInterrupt):
        env.run()
    env.abandon_all()
    assert log.entries == []


def test_a_signal_whose_handler_returns_lets_the_process_go_on(env, log):
    before = signal.signal(signal.SIGALRM, lambda *_: log("handled"))
    try:

        def process():
            os.kill(os.getpid(), signal.SIGALRM)
            log("went on")

        env.spawn(process, name="task")
        env.run()
    finally:
        signal.signal(signal.SIGALRM, before)

    assert log.entries == [(0.0, "handled"), (0.0, "went on")]


def test_a_signal_ends_a_condition_of_the_tests_that_never_comes_back(env, log):
    def never_comes_back():
        signal.raise_signal(signal.SIGINT)
        log("went on")

    with pytest.raises(KeyboardInterrupt):
        env.run(until=never_comes_back)

    assert log.entries == []


def test_a_second_signal_does_not_wait_for_the_driver(env, log):
    def hangs():
        signal.raise_signal(signal.SIGINT)
        log("the first one waits")
        signal.raise_signal(signal.SIGINT)
        log("so does the second")

    env.schedule(0, hangs)

    with pytest.raises(KeyboardInterrupt):
        env.run()

    assert log.entries == [(0.0, "the first one waits")]


def test_no_line_of_an_abandoned_process_runs_again_not_even_when_collected(env, log):
    def process():
        try:
            env.sleep(HOUR)
        finally:
            log("finally")

    abandoned = env.spawn(process, name="task")
    env.run(until_ns=START + SECOND)
    env.abandon(abandoned)
    del abandoned
    gc.collect()
    env.run()

    assert log.entries == []


def test_no_line_of_an_abandoned_process_runs_at_interpreter_exit():
    program = """
from retrysim.clock import VirtualClock
from retrysim.kernel import Environment

env = Environment(VirtualClock(0))

def process():
    try:
        env.sleep(10**12)
    finally:
        print("finally")

env.spawn(process, name="task")
env.run(until_ns=1000)
env.abandon_all()
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert (ran.stdout, ran.stderr) == ("", "")


# -- signals and interventions -------------------------------------------------------------------------------------------


def test_a_handler_runs_on_the_stack_of_a_process_which_then_waits_on(env, log):
    process = env.spawn(lambda: (env.sleep(10 * SECOND), log("slept")), name="sleeper")
    env.run(until_ns=START + SECOND)
    env.signal(process, lambda: log(env.current.name))
    env.run()

    assert log.entries == [(1, "sleeper"), (10, "slept")]


def test_a_handler_that_waits_keeps_its_process_from_going_on(env, log):
    process = env.spawn(lambda: (env.sleep(2 * SECOND), log("slept")), name="sleeper")
    env.run(until_ns=START + SECOND)
    env.signal(process, lambda: env.sleep(5 * SECOND))
    env.run()

    assert log.entries == [(6, "slept")]


def test_a_handler_that_raises_ends_the_wait(env, log):
    condition = Condition("something")

    def wait():
        try:
            env.wait(condition, timeout_ns=9 * SECOND)
        except ValueError as error:
            log(str(error))

    process = env.spawn(wait, name="waiter")
    env.run(until_ns=START + SECOND)
    env.interrupt(process, ValueError("enough"))
    env.run()

    assert log.entries == [(1, "enough")]
    assert not condition.notify()


def test_who_intervenes_acts_before_the_running_process_goes_on(env, log):
    def body():
        log("before")
        env.intervene(lambda: env.abandon(process))
        log("after")

    process = env.spawn(body, name="victim")
    env.run()

    assert log.entries == [(0, "before")]
