"""Threads and executors that a task starts: processes of the simulation; those of telemetry SDKs stay real."""

import _thread
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest

from retrysim.errors import RealWait

START = 1577880000
EXECUTOR = ThreadPoolExecutor(2)


def now():
    return time.time() - START


def test_a_thread_sleeps_in_virtual_time_and_is_joined(sim, submit):
    def starts():
        seen = []

        def runs(seconds):
            time.sleep(seconds)
            seen.append((threading.current_thread().name, now()))

        threads = [threading.Thread(target=runs, args=(n,), name=f"t{n}", daemon=n == 2) for n in (3, 2, 1)]
        for thread in threads:
            thread.start()
        alive = [thread.is_alive() for thread in threads]
        threads[0].join(timeout=0.5)
        waited = now()
        for thread in threads:
            thread.join()
        return alive, waited, seen, [thread.is_alive() for thread in threads]

    assert submit(starts).get() == [
        [True] * 3, 0.5, [["t1", 1.0], ["t2", 2.0], ["t3", 3.0]], [False] * 3,
    ]  # fmt: skip


def test_to_the_code_in_it_a_thread_is_the_one_it_says_it_is(sim, submit):
    def starts():
        seen = []
        thread = threading.Thread(
            target=lambda: seen.append((threading.current_thread() is thread, threading.get_ident() == thread.ident))
        )
        thread.start()
        thread.join()
        return seen, threading.current_thread() is threading.main_thread(), thread.ident != threading.get_ident()

    assert submit(starts).get() == [[[True, True]], True, True]


@pytest.mark.parametrize("make", [lambda: ThreadPoolExecutor(2), lambda: EXECUTOR], ids=["own", "made before"])
def test_an_executor_works_in_virtual_time(sim, submit, make):
    def executes():
        executor = make()
        futures = [executor.submit(lambda n=n: time.sleep(n) or (n, now())) for n in (4, 1, 2)]
        done = [future.result() for future in as_completed(futures)]
        return done, list(executor.map(lambda n: time.sleep(n) or now(), [1, 1, 1])), now()

    assert submit(executes).get() == [[[1, 1.0], [2, 3.0], [4, 4.0]], [5.0, 5.0, 6.0], 6.0]


def test_an_error_in_a_thread_is_reported_and_the_task_goes_on(sim, submit, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda told: seen.append((told.exc_type.__name__, told.thread.name)))

    def starts():
        thread = threading.Thread(target=lambda: 1 / 0, name="wrong")
        thread.start()
        thread.join()
        return "went on"

    assert submit(starts).get() == "went on"
    assert seen == [("ZeroDivisionError", "wrong")]


def test_a_daemon_thread_does_not_keep_the_run_alive_but_can_be_waited_for(sim, submit):
    def starts():
        beats, done = [], threading.Event()

        def ticks():
            while True:
                time.sleep(60)
                beats.append(now())
                if len(beats) == 3:
                    done.set()

        threading.Thread(target=ticks, daemon=True).start()
        done.wait()
        return beats

    assert submit(starts).get() == [60.0, 120.0, 180.0]
    sim.run()
    assert sim.elapsed.total_seconds() == 180


def test_the_threads_of_a_killed_pool_process_run_no_more(sim, app):
    lines = []

    @app.task(name="starts", shared=False, time_limit=5)
    def starts():
        thread = threading.Thread(target=lambda: time.sleep(60) or lines.append("ran"))
        thread.start()
        thread.join()

    sim.start_worker(app)
    starts.delay()
    sim.run()

    assert sim.states == {"FAILURE": 1}
    assert lines == []


def test_a_raw_thread_in_a_task_is_a_named_error(sim, submit):
    def starts():
        _thread.start_new_thread(print, ())

    with pytest.raises(RealWait) as caught:
        submit(starts).get()
    assert "a task starts a raw thread, which takes real time" in str(caught.value)
    assert "_thread.start_new_thread(print, ())" in str(caught.value)
    assert str(caught.value).endswith('sim.allow("threads")')


def test_threads_that_are_allowed_are_real(sim, submit):
    sim.allow("threads")

    def starts():
        seen = []
        thread = threading.Thread(target=lambda: seen.append(threading.get_ident()))
        thread.start()
        thread.join()
        return len(seen), now()

    assert submit(starts).get() == [1, 0.0]


def test_a_telemetry_thread_is_let_be_and_listed(sim, submit):
    class BackgroundWorker(threading.Thread):
        def run(self):
            ran.set()

    BackgroundWorker.__module__ = "sentry_sdk.worker"
    ran = threading.Event()

    def reports():
        BackgroundWorker(name="sentry-sdk.BackgroundWorker", daemon=True).start()

    submit(reports).get()
    assert ran.is_set()
    assert sim.notes == [
        "thread 'sentry-sdk.BackgroundWorker' of sentry_sdk.worker runs in real time: it reports on the program"
    ]
