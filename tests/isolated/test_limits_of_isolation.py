"""What an isolated worker refuses, and what it leaves behind: nothing."""

from __future__ import annotations

import gc
import signal
import threading
from multiprocessing import Lock
from pathlib import Path

import pytest
from isolated_apps import app, break_here, compute, count, forks, hold, locks, wait_for_a_thread, who

import retrysim
from retrysim.errors import Deadlock, InputError, Runaway, ScenarioError, Unsupported
from retrysim.project import project_in
from retrysim.scenarios import loads


def test_real_threads_are_named_and_refused(sim):
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="a poller of the test")
    thread.start()
    try:
        with pytest.raises(Unsupported) as refused:
            sim.start_worker(app, isolated=True)
    finally:
        over.set()
        thread.join()
    assert str(refused.value) == (
        "isolated=True forks this process, which would cut off the threads that run in it: 'a poller of the test'\n"
        "  End them before the worker starts, or start it without isolated=True"
    )


def test_a_daemon_thread_is_cut_off_and_noted(sim):
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="a leaker", daemon=True)
    thread.start()
    try:
        sim.start_worker(app, isolated=True)
    finally:
        over.set()
        thread.join()
    assert "the daemon thread 'a leaker' runs in no isolated pool process: a fork cuts it off" in sim.notes


def test_a_breakpoint_says_where_it_can_stop(sim):
    sim.start_worker(app, isolated=True)
    break_here.delay()
    with pytest.raises(Unsupported, match="start the worker without isolated=True"):
        sim.run()


def test_a_task_that_computes_forever_ends_the_run():
    with retrysim.Simulation(limits={"real_seconds": 0.6}) as sim:
        sim.start_worker(app, isolated=True)
        compute.delay()
        with pytest.raises(Runaway, match="compute"):
            sim.run()


def test_a_lock_of_multiprocessing_is_waited_for_in_virtual_time(sim):
    locks[:] = [Lock()]
    sim.start_worker(app, concurrency=2, isolated=True)
    results = [hold.delay(10) for _ in range(3)]
    sim.run()
    assert [result.get() for result in results] == [0, 10, 10]
    assert sim.elapsed.total_seconds() == 30


def test_a_lock_of_a_killed_process_stays_locked(sim):
    locks[:] = [Lock()]
    worker = sim.start_worker(app, concurrency=2, isolated=True)
    first, second = hold.delay(10), hold.delay(10)
    sim.run_for(5)
    worker.kill_child(first.id)
    sim.run_for(3600)
    assert sim.task(first.id).state == "FAILURE"
    assert sim.task(second.id).state == "STARTED"


def open_files():
    return sorted(file.name for file in Path("/proc/self/fd").iterdir())


@pytest.mark.slow
def test_fifty_kills_leave_no_process_and_no_file():
    def play(seed, kills):
        with retrysim.Simulation(seed=seed) as sim:
            worker = sim.start_worker(app, isolated=True)
            for _ in range(kills):
                count.delay()
                sim.run_for(0.5)
                worker.kill_child()
                sim.run_for(0.25)
            if seed % 2:
                worker.kill()

    play(0, 1)
    gc.collect()
    before = open_files()
    for seed in range(5):
        play(seed, 10)
    gc.collect()
    assert len(open_files()) <= len(before)  # what an earlier test left to the collector may be closed meanwhile
    assert forks() == []


def play_until_interrupted(after_ms):
    with retrysim.Simulation() as sim:
        # Python drops what a handler raises inside a finalizer or a callback of the collector; then the next one counts.
        signal.setitimer(signal.ITIMER_REAL, after_ms / 1000, 0.5)
        sim.start_worker(app, concurrency=2, isolated=True)
        for _ in range(1000):
            who.delay()
            sim.run()


@pytest.mark.parametrize("after_ms", [1, 3, 5, 8, 12, 15, 20, 30])
def test_an_interrupt_leaves_no_process(after_ms):
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            play_until_interrupted(after_ms)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert forks() == []


NO_WHOLE_WORKERS = (
    "'worker' is not supported: a worker's main process is always simulated in the process of the test; to isolate its "
    "pool processes, {}; to play a scenario on real workers, use retrysim run --live"
)


def test_whole_workers_are_refused_by_a_simulation(sim):
    told = "isolated=" + NO_WHOLE_WORKERS.format("use isolated=True")
    with pytest.raises(Unsupported) as of_a_worker:
        sim.start_worker(app, isolated="worker")
    with pytest.raises(Unsupported) as of_a_simulation:
        retrysim.Simulation(isolated="worker")
    assert [str(of_a_worker.value), str(of_a_simulation.value)] == [told, told]


def test_isolated_is_true_or_false(sim):
    with pytest.raises(InputError, match="isolated is True or False; got 'pool'"):
        sim.start_worker(app, isolated="pool")


@pytest.mark.parametrize(
    ("workers", "place"),
    [
        ("{isolated: worker}", "f:4:21: workers.isolated: "),
        ("[{name: a, isolated: worker}]", "f:4:31: workers[0].isolated: "),
    ],
)
def test_whole_workers_are_refused_in_a_scenario(workers, place):
    with pytest.raises(ScenarioError) as refused:
        loads(f"name: a\napp: p\nsubmit: [{{task: t}}]\nworkers: {workers}\n", file="f")
    assert str(refused.value) == place + NO_WHOLE_WORKERS.format("write true")


def test_whole_workers_are_refused_in_a_project(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.retrysim]\nisolated = "worker"\n')
    with pytest.raises(InputError) as refused:
        project_in(tmp_path)
    assert str(refused.value) == "pyproject.toml: [tool.retrysim] isolated: " + NO_WHOLE_WORKERS.format("write true")


def test_a_platform_without_fork_says_so(sim, monkeypatch):
    from retrysim.kernel.forked import faces

    monkeypatch.setattr(sim.environment.faces, "fork", faces._cannot_fork)
    with pytest.raises(Unsupported, match="cannot fork"):
        sim.start_worker(app, isolated=True)


def test_a_task_cannot_reach_the_simulation(sim):
    @app.task
    def reach():
        sim.run_for(1)

    sim.start_worker(app, isolated=True)
    reach.delay()
    with pytest.raises(InputError, match="only the test itself can"):
        sim.run()


@pytest.mark.parametrize("isolated", [False, True])
def test_a_deadlock_in_a_child_names_its_line_and_its_threads(isolated):
    with retrysim.Simulation() as sim:
        sim.start_worker(app, isolated=isolated)
        wait_for_a_thread.delay()
        with pytest.raises(Deadlock) as caught:
            sim.run()
    lines = str(caught.value).splitlines()
    assert lines[1].startswith("  isolated_apps.wait_for_a_thread[")
    assert lines[1].endswith(" waits for thread 'endless' to end")
    assert lines[2].startswith("    on celery@worker-1 slot 1001, at ")
    assert lines[3].startswith("  thread 'endless' waits for a threading.Condition to be notified")
