"""The test's own threads and waits: they let the simulation run, and give way to what lives in real time."""

import _thread
import threading
import time
from functools import partial

import pytest

from retrysim.clock import VirtualClock
from retrysim.durations import SECOND
from retrysim.errors import Deadlock
from retrysim.kernel import Environment, Streams
from retrysim.patches import (
    Companions,
    threads_of_a_suite,
    virtual_clocks,
    virtual_condition_waits,
    virtual_threads_of_a_test,
)
from retrysim.undo import UndoStack


@pytest.fixture
def environment():
    environment = Environment(VirtualClock(0))
    with UndoStack() as undo, virtual_clocks(environment, Streams(0), companions := Companions()):
        identities = threads_of_a_suite(undo, environment)
        starting = virtual_threads_of_a_test(undo, environment, companions, identities)
        virtual_condition_waits(undo, environment, starting)
        yield environment
        environment.abandon_all()


def test_an_event_that_a_process_sets_ends_the_wait_of_the_test(environment):
    event = threading.Event()
    environment.schedule(5 * SECOND, event.set)

    assert event.wait(timeout=60)
    assert environment.clock.ns == 5 * SECOND


def test_a_timeout_of_the_test_passes_in_virtual_time(environment):
    assert not threading.Event().wait(timeout=60)
    assert environment.clock.ns == 60 * SECOND


def test_what_is_due_after_the_timeout_is_not_waited_for(environment):
    event = threading.Event()
    environment.schedule(61 * SECOND, event.set)

    assert not event.wait(timeout=60)
    assert environment.clock.ns == 60 * SECOND


def test_a_wait_that_nobody_can_end_is_a_deadlock(environment):
    with pytest.raises(Deadlock) as caught:
        threading.Event().wait()

    assert str(caught.value) == (
        "the test waits for a threading.Condition to be notified, but nothing is left that could do it"
    )


def test_a_real_thread_ends_the_wait_of_the_test(environment):
    event, gate = threading.Event(), _thread.allocate_lock()
    gate.acquire()
    waiter = threading.Thread(target=gate.acquire)  # a builtin: nobody's own code, so a real thread
    waiter.start()
    _thread.start_new_thread(partial(_release_and_set, gate, event), ())

    assert event.wait()
    assert environment.clock.ns == 0


def _release_and_set(gate, event):
    gate.release()
    event.set()


def test_a_thread_of_the_test_sleeps_in_virtual_time(environment):
    log = []

    def nap(seconds):
        time.sleep(seconds)
        log.append((environment.clock.ns // SECOND, seconds))

    threads = [threading.Thread(target=nap, args=(seconds,)) for seconds in (30, 10)]
    for thread in threads:
        thread.start()

    threads[0].join(timeout=20)
    assert threads[0].is_alive()
    assert not threads[1].is_alive()
    threads[0].join()
    assert log == [(10, 10), (30, 30)]


def test_a_timer_of_the_test_fires_in_virtual_time_unless_it_is_cancelled(environment):
    log = []
    fires = threading.Timer(15, lambda: log.append(environment.clock.ns // SECOND))
    cancelled = threading.Timer(10, lambda: log.append("never"))
    fires.start()
    cancelled.start()

    cancelled.cancel()
    fires.join()
    cancelled.join()

    assert log == [15]


def test_a_thread_is_started_once(environment):
    thread = threading.Thread(target=lambda: None)
    thread.start()

    with pytest.raises(RuntimeError, match="threads can only be started once"):
        thread.start()


def test_an_exception_of_a_thread_goes_to_the_excepthook(environment, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append((args.exc_type, args.thread)))
    thread = threading.Thread(target=lambda: 1 / 0)

    thread.start()
    thread.join()

    assert seen == [(ZeroDivisionError, thread)]


def test_a_thread_that_accepts_connections_stays_real(environment):
    class Listener:
        def accept(self):
            real.append(threading.current_thread())

    real = []
    listener = Listener()

    def serve():
        listener.accept()

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()

    assert real == [thread]


def test_threads_are_given_back():
    before = [vars(threading.Thread)[name] for name in ("start", "join", "is_alive")]
    with pytest.raises(KeyboardInterrupt), UndoStack() as undo:  # noqa: PT012 - what is undone is what was raised in
        environment = Environment(VirtualClock(0))
        identities = threads_of_a_suite(undo, environment)
        virtual_threads_of_a_test(undo, environment, Companions(), identities)
        raise KeyboardInterrupt

    assert [vars(threading.Thread)[name] for name in ("start", "join", "is_alive")] == before
