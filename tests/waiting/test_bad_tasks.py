"""Tasks that misbehave: each ends as a real prefork worker would end it, and the simulation survives."""

import os
import signal
import sys
import threading
from contextlib import contextmanager

import billiard
import greenlet
import pytest
from celery import signals
from celery.result import allow_join_result

from retrysim import Deadlock, Simulation
from retrysim.trace import TaskFailed

LOCK = threading.Lock()
LINES = []


class Unpicklable(Exception):  # noqa: N818
    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


def raises(error):
    raise error


@contextmanager
def signals_of(**receivers):
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    yield
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver)


BODIES = {
    "an unpicklable exception": lambda: raises(Unpicklable("no")),
    "what cannot be serialised": lambda: object(),
    "os._exit": lambda: os._exit(3),
    "os._exit(0)": lambda: os._exit(0),
    "os.abort": lambda: os.abort(),
    "SIGKILL to itself": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "sys.exit": lambda: sys.exit(3),
    "SystemExit": lambda: raises(SystemExit(3)),
    "KeyboardInterrupt": lambda: raises(KeyboardInterrupt()),
    "GreenletExit": lambda: raises(greenlet.GreenletExit("bye")),
}

#: As celery 5.7 with billiard 4.3 reports it: billiard/pool.py, Worker.workloop and Pool.mark_as_worker_lost
ENDS = {
    "an unpicklable exception": "UnpickleableExceptionWrapper: Unpicklable('no')",
    "what cannot be serialised": "EncodeError",
    "os._exit": "WorkerLostError: Worker exited prematurely: exitcode 3 Job: 0.",
    "os._exit(0)": "WorkerLostError: Worker exited prematurely: exitcode 0 Job: 0.",
    "os.abort": "WorkerLostError: Worker exited prematurely: signal 6 (SIGABRT) Job: 0.",
    "SIGKILL to itself": "WorkerLostError: Worker exited prematurely: signal 9 (SIGKILL) Job: 0.",
    "sys.exit": "WorkerLostError: Worker exited prematurely: exitcode 3.",
    "SystemExit": "WorkerLostError: Worker exited prematurely: exitcode 3.",
    "KeyboardInterrupt": "WorkerLostError: Worker exited prematurely: KeyboardInterrupt.",
    "GreenletExit": "GreenletExit: bye",
}
#: As celery 5.4 with billiard 4.2 does: what is no Exception ends the process, which hears of ``sys.exit`` only.
if billiard.VERSION < (4, 3):
    ENDS["sys.exit"] = ENDS["os._exit"]
    ENDS["SystemExit"] = ENDS["KeyboardInterrupt"] = ENDS["GreenletExit"] = ENDS["os._exit(0)"]

#: not even a ``finally`` block
NO_LINE_MORE = {"os._exit", "os._exit(0)", "os.abort", "SIGKILL to itself"}


@pytest.mark.parametrize("body", BODIES)
def test_a_task_that_misbehaves_fails_and_the_worker_goes_on(sim, app, body):
    @app.task(name="misbehaves", shared=False)
    def misbehaves():
        try:
            return BODIES[body]()
        finally:
            LINES.append("finally")

    @app.task(name="good", shared=False)
    def good():
        return "done"

    LINES.clear()
    sim.start_worker(app, concurrency=1)
    bad, after = misbehaves.delay(), good.delay()
    sim.run()

    assert sim.task(bad.id).state == "FAILURE"
    assert ENDS[body] in next(event.exception for event in sim.trace if isinstance(event, TaskFailed))
    assert len(LINES) == (body not in NO_LINE_MORE)
    assert after.get() == "done"


@pytest.mark.parametrize("body", sorted(NO_LINE_MORE))
def test_without_an_event_loop_too_another_pool_process_takes_the_place_of_one_that_is_lost(app, body):
    with Simulation(broker="memory") as sim:

        @app.task(name="misbehaves", shared=False)
        def misbehaves():
            return BODIES[body]()

        @app.task(name="good", shared=False)
        def good():
            return "done"

        sim.start_worker(app, concurrency=1)
        bad, after = misbehaves.delay(), good.delay()
        sim.run()

        assert sim.task(bad.id).failure.exception == ENDS[body]
        assert after.get() == "done"


def test_sys_exit_ends_the_pool_process_and_another_takes_its_place(sim, app):
    @app.task(name="exits", shared=False)
    def exits():
        sys.exit("because")

    told = []

    def begins(**_):
        told.append("begins")

    def ends(pid, exitcode, **_):
        told.append((pid, exitcode))

    with signals_of(worker_process_init=begins, worker_process_shutdown=ends):
        sim.start_worker(app, concurrency=1)
        exits.delay()
        sim.run()
        sim.run_for(0.1)  # until the new process is there

    assert told == ["begins", (1001, 1), "begins"]


def test_get_inside_a_task_raises_as_in_production(sim, app):
    @app.task(name="adds", shared=False)
    def adds():
        return 3

    @app.task(name="joins", shared=False)
    def joins():
        try:
            adds.delay().get(timeout=5)
        except RuntimeError as error:
            with allow_join_result():
                return str(error).splitlines()[0], adds.delay().get(timeout=5)

    sim.start_worker(app, concurrency=2)
    assert joins.delay().get() == ["Never call result.get() within a task!", 3]


@pytest.mark.parametrize("wait", [lambda: LOCK.acquire(), lambda: threading.Semaphore(0).acquire()])
def test_a_task_that_waits_for_what_nobody_brings_is_a_deadlock(sim, submit, wait):
    def waits():
        wait()
        wait()

    submit(waits)
    with pytest.raises(Deadlock, match=r"\w+\[\w+\] waits for .*(LOCK|Condition)"):
        sim.run()


def test_the_locks_of_a_killed_worker_are_reported(sim, app):
    @app.task(name="holds", shared=False)
    def holds():
        with LOCK:
            threading.Event().wait(3600)

    @app.task(name="waits", shared=False)
    def waits():
        with LOCK:
            return "never"

    first = sim.start_worker(app, queues=["one"])
    held = holds.apply_async(queue="one")
    sim.run_for(1)
    first.kill()
    assert [(held.what, held.holder.name) for held in sim.locks_of_the_dead] == [
        ("test_bad_tasks.LOCK", "celery@worker-1 slot 1001")
    ]

    sim.start_worker(app, queues=["two"])
    waits.apply_async(queue="two")
    with pytest.raises(Deadlock) as caught:
        sim.run()
    holder = f"celery@worker-1 slot 1001 (task holds[{held.id[:8]}])"
    assert f"waits for test_bad_tasks.LOCK, which {holder} holds, which was killed" in str(caught.value)
    assert str(caught.value).endswith("Killed with locks:\n  test_bad_tasks.LOCK is held by celery@worker-1 slot 1001")


def test_a_lock_of_a_killed_worker_is_free_after_the_simulation():
    assert LOCK.acquire(False)
    LOCK.release()
