"""Threads and executors that a task starts: processes of the simulation; those of telemetry SDKs stay real."""

import _thread
import os
import queue
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing.pool import ThreadPool

import pytest
from celery import Celery

from retrysim import Simulation
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


def test_a_thread_pool_of_multiprocessing_works_in_virtual_time(sim, submit):
    def works():
        with ThreadPool(3) as pool:
            mapped = pool.map(lambda secs: time.sleep(secs) or secs, [1, 2, 3, 4])
        pool = ThreadPool(2)
        drawn = pool.imap_unordered(lambda secs: time.sleep(secs) or secs, [3, 1, 1])
        pool.close()
        pool.join()
        return mapped, list(drawn), now()

    assert submit(works).get() == [[1, 2, 3, 4], [1, 1, 3], 8.0]


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


class Module:
    """What a module makes when it is first used, and keeps."""

    letters = queue.Queue()
    thread = None
    executor = None


def _started():
    if Module.thread is None or not Module.thread.is_alive():
        Module.thread = threading.Thread(target=Module.letters.get, daemon=True)
        Module.thread.start()
        return True
    return False


def _executed():
    if Module.executor is None:
        Module.executor = ThreadPoolExecutor(1)
    return Module.executor.submit(time.sleep, 0.001).result(timeout=5)


def test_what_a_module_keeps_of_a_killed_worker_starts_new_threads(app):
    @app.task(name="uses", shared=False)
    def uses():
        return _started(), _started(), _executed()

    Module.thread = Module.executor = None
    with Simulation() as sim:
        for _ in range(2):
            worker = sim.start_worker(app, concurrency=1)
            assert uses.delay().get() == [True, False, None]
            worker.kill()

    assert not Module.letters.not_empty._waiters


def test_what_a_module_keeps_of_a_simulation_starts_new_threads(app):
    @app.task(name="uses", shared=False)
    def uses():
        return _started(), _executed()

    Module.thread = Module.executor = None
    for _ in range(2):
        with Simulation() as sim:
            sim.start_worker(app, concurrency=1)
            assert uses.delay().get() == [True, None]

    assert not Module.thread.is_alive()
    assert not Module.letters.not_empty._waiters
    assert _executed() is None
    Module.executor.shutdown()


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


def test_both_modules_tell_the_same_ident_and_each_task_has_one_of_its_own(sim, submit):
    import _thread

    seen = []

    def tells():
        seen.append((threading.get_ident(), _thread.get_ident()))
        time.sleep(1)

    for _ in range(2):
        submit(tells)
    sim.run()

    (one, same), (other, same_other) = seen
    assert (one, other) == (same, same_other)
    assert one != other


def test_each_pool_process_has_a_main_thread_of_its_own(sim, submit):
    def tells():
        main, started = threading.main_thread(), threading.Thread(target=time.sleep, args=(1,), name="helper")
        started.start()
        inside = []
        other = threading.Thread(target=lambda: inside.append(threading.main_thread() is main))
        other.start()
        other.join()
        threads = threading.enumerate()
        return [
            *(main.name, main.ident, main.ident == threading.get_ident(), main.is_alive(), main.daemon),
            main is threading.main_thread() is threading.current_thread(),
            *(main.native_id == threading.get_native_id() == started.native_id, type(main).__name__),
            *([one.name for one in threads], threads[0] is main, threading.active_count(), inside),
        ]

    before = threading.enumerate()
    told = [submit(tells), submit(tells)]
    sim.run_for(0.5)
    assert threading.enumerate() == before
    assert threading.main_thread().ident == threading.get_ident()
    sim.run()

    (one, ident, *same), (other, other_ident, *other_same) = [result.get() for result in told]
    assert one == other == "MainThread"
    assert len({ident, other_ident, threading.get_ident()}) == 3
    assert (
        same == other_same == [True, True, False, True, True, "_MainThread", ["MainThread", "helper"], True, 2, [True]]
    )


def test_a_thread_of_the_threads_pool_is_not_the_main_one(sim, app):
    @app.task(name="tells", shared=False)
    def tells():
        main = threading.main_thread()
        try:
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        except ValueError as error:
            refused = str(error)
        names = [thread.name for thread in threading.enumerate()]
        return main is threading.current_thread(), main.ident == threading.get_ident(), main.name, names, refused

    sim.start_worker(app, pool="threads", concurrency=2)
    told = tells.delay()
    sim.run()

    assert told.get() == [
        False, False, "MainThread", ["MainThread", "ThreadPoolExecutor-0_0"],
        "signal only works in main thread of the main interpreter",
    ]  # fmt: skip


def test_a_greenlet_of_the_gevent_pool_is_no_main_thread_and_may_handle_signals(sim, app):
    @app.task(name="tells", shared=False)
    def tells():
        main, current = threading.main_thread(), threading.current_thread()
        got = []
        signal.signal(signal.SIGUSR2, lambda number, _frame: got.append(signal.Signals(number).name))
        os.kill(os.getpid(), signal.SIGUSR2)
        is_listed = current in threading.enumerate()
        idents = main.ident == threading.get_ident(), current.ident == threading.get_ident() == _thread.get_ident()
        return [current.name, current.daemon, current is threading.current_thread(), main.name, *idents, is_listed, got]

    sim.start_worker(app, pool="gevent", concurrency=2)
    told = [tells.delay(), tells.delay()]
    sim.run()

    assert [result.get() for result in told] == [
        [name, True, True, "MainThread", False, True, True, ["SIGUSR2"]] for name in ("Dummy-1", "Dummy-2")
    ]


@pytest.mark.skipif(not hasattr(_thread, "_get_main_thread_ident"), reason="from Python 3.13 on")
@pytest.mark.parametrize(
    ("pool", "is_main"), [("prefork", True), ("solo", True), ("threads", False), ("gevent", False)]
)
def test_the_ident_of_the_main_thread_is_that_of_the_simulated_process(sim, app, pool, is_main):
    @app.task(name="tells", shared=False)
    def tells():
        main = _thread._get_main_thread_ident()
        return main == threading.main_thread().ident, main == threading.get_ident()

    sim.start_worker(app, pool=pool)
    told = tells.delay()
    sim.run()

    assert told.get() == [True, is_main]


def test_a_task_of_the_solo_pool_runs_on_the_workers_main_thread(sim, app):
    @app.task(name="tells", shared=False)
    def tells():
        main = threading.main_thread()
        return main is threading.current_thread(), main.ident == threading.get_ident(), main.ident

    for name in ("one", "two"):
        sim.start_worker(app, name=name, pool="solo")
    told = [tells.delay() for _ in range(2)]
    sim.run()

    [one, two] = [result.get() for result in told]
    assert one[:2] == two[:2] == [True, True]
    assert one[2] != threading.get_ident()


def test_an_eager_task_runs_on_the_tests_own_thread_which_stays_what_it_is():
    app = Celery(broker="memory://", set_as_current=False)
    ours, ident, seen = threading.current_thread(), threading.get_ident(), []

    @app.task(bind=True, shared=False)
    def who(self):
        thread = threading.current_thread()
        seen.append((thread, threading.get_ident(), thread in threading.enumerate()))
        if not self.request.retries:
            raise self.retry(countdown=1)

    with Simulation() as sim:
        sim.run_eagerly(app)
        who.delay()
        sim.run()

    assert seen == [(ours, ident, True)] * 2
    assert threading.current_thread() is ours
