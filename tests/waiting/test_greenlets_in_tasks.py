"""A greenlet that a task starts (SQLAlchemy's asyncio runs its code in such) is the task: it waits, and leaves nothing."""

import os
import socket
import subprocess
import threading
import time

import pytest
from greenlet import getcurrent, greenlet

from retrysim import Simulation
from retrysim.errors import Deadlock, RealWait, UnservedHost

START = 1577880000


def now():
    return time.time() - START


def inside(function):
    """The function that calls this one in a greenlet of its own."""
    return lambda: greenlet(function).switch()


def test_it_sleeps_and_waits_for_locks_in_virtual_time(sim, submit):
    lock = threading.Lock()

    def holds():
        with lock:
            time.sleep(10)

    def waits():
        time.sleep(2)
        with lock:
            return now()

    first = submit(inside(holds))
    assert submit(inside(waits)).get() == 10.0
    assert first.get() is None


def test_it_may_be_left_and_entered_again(sim, submit):
    def halves():
        time.sleep(1)
        getcurrent().parent.switch("half")
        time.sleep(2)
        return now()

    def enters():
        half = greenlet(halves)
        return half.switch(), time.sleep(5), half.switch()

    assert submit(enters).get() == ["half", None, 8.0]


def test_code_of_sqlalchemy_waits_in_virtual_time(sim, submit):
    asyncio = pytest.importorskip("asyncio")
    concurrency = pytest.importorskip("sqlalchemy.util")

    def works():
        concurrency.await_only(asyncio.sleep(2))
        time.sleep(3)
        concurrency.await_only(asyncio.sleep(4))
        return now()

    def runs():
        return asyncio.run(concurrency.greenlet_spawn(works))

    assert submit(runs).get() == 9.0


@pytest.mark.parametrize(
    ("does", "error", "what"),
    [
        (lambda: socket.create_connection(("127.0.0.1", 9)), UnservedHost, "a task opens a real socket to 127.0.0.1:9"),
        (lambda: subprocess.run(["true"]), RealWait, "a task starts a subprocess"),
    ],
)
def test_what_would_leave_the_simulation_is_refused(sim, submit, does, error, what):
    with pytest.raises(error, match=what):
        submit(inside(does)).get()


@pytest.mark.parametrize(
    ("ends", "how"),
    [
        (lambda: os._exit(3), "Worker exited prematurely: exitcode 3"),
        (lambda: os.kill(os.getpid(), 9), r"Worker exited prematurely: signal 9 \(SIGKILL\)"),
    ],
    ids=["_exit", "kill"],
)
def test_what_ends_a_process_ends_the_simulated_one(sim, submit, ends, how):
    with pytest.raises(Exception, match=how):
        submit(inside(ends)).get()


def test_a_killed_one_runs_no_more(app):
    lines = []

    def naps():
        try:
            time.sleep(60)
        finally:
            lines.append("ran")

    @app.task(name="naps", shared=False)
    def task():
        inside(naps)()

    with Simulation() as sim:
        worker = sim.start_worker(app)
        task.delay()
        sim.run_for(5)
        worker.kill()

    assert lines == []


def test_a_deadlock_names_its_line(sim, submit):
    def waits():
        threading.Event().wait()  # the line

    submit(inside(waits))
    with pytest.raises(Deadlock, match="# the line"):
        sim.run()
