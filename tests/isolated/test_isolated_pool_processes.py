"""``isolated=True``: each pool process of a worker is a process of the machine, in virtual time like everything else."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from celery import signals
from isolated_apps import (
    app,
    change_what_is_its_own,
    count,
    draw,
    fork_and_return,
    forks,
    logger,
    main_thread,
    raise_it,
    speak,
    try_again,
    who,
    work_in_daemons,
    work_in_threads,
)

import retrysim
from retrysim.errors import InputError
from retrysim.project import Project
from retrysim.scenarios import items_of, loads


def played(task, *args, times=1, **worker):
    with retrysim.Simulation() as sim:
        sim.start_worker(app, isolated=True, **worker)
        results = [task.delay(*args) for _ in range(times)]
        sim.run()
        ended = sim.elapsed
        return [result.get(propagate=False) for result in results], sim, ended


def test_each_pool_process_has_its_own_memory(sim):
    sim.start_worker(app, concurrency=2, isolated=True)
    results = [count.delay() for _ in range(6)]
    sim.run()
    assert [result.get() for result in results] == [1, 1, 2, 2, 3, 3]
    assert sim.elapsed == timedelta(seconds=3)


def test_each_pool_process_has_its_own_number():
    numbers, *_ = played(who, times=4, concurrency=2)
    assert len(set(numbers)) == 2
    assert os.getpid() not in numbers


def test_each_pool_process_has_its_own_environment_folder_locals_files_and_handlers(tmp_path):
    folder = Path.cwd()
    with (tmp_path / "open").open("w") as file:
        changed, *_ = played(change_what_is_its_own, file.fileno(), str(tmp_path), times=4, concurrency=2)

        os.fstat(file.fileno())  # still open here
    untouched, touched = [None, False, False, True, True], ["1", True, True, False, False]
    assert changed == [untouched, untouched, touched, touched]
    assert "SET_BY_A_TASK" not in os.environ
    assert Path.cwd() == folder


def test_the_signals_of_a_pool_process_are_sent_in_it(capsys):
    def begins(**_):
        print("begins in", os.getpid())  # noqa: T201

    def ends(pid, exitcode, **_):
        print("ends in", os.getpid(), "with", exitcode)  # noqa: T201

    signals.worker_process_init.connect(begins)
    signals.worker_process_shutdown.connect(ends)
    try:
        [number], *_ = played(who)
    finally:
        signals.worker_process_init.disconnect(begins)
        signals.worker_process_shutdown.disconnect(ends)

    assert number != os.getpid()
    assert capsys.readouterr().out.splitlines() == [f"begins in {number}", f"ends in {number} with 0"]


def test_the_thread_that_forked_is_the_main_one_of_a_pool_process():
    [seen], *_ = played(main_thread)
    assert seen == ["MainThread", True, True]


def test_each_pool_process_draws_its_own_random_numbers_and_the_same_in_each_run():
    drawn, *_ = played(draw, times=4, concurrency=2)
    assert len(set(drawn)) == 4
    assert drawn == played(draw, times=4, concurrency=2)[0]


def test_a_retry_of_a_child_waits_in_virtual_time():
    _, sim, elapsed = played(try_again)
    assert sim.states == {"SUCCESS": 1}
    assert elapsed == timedelta(minutes=1)


def test_threads_of_a_child_wait_in_virtual_time():
    [done], _, elapsed = played(work_in_threads)
    assert done == [1, 2, 3]
    assert elapsed == timedelta(seconds=3)


def test_a_task_waits_for_its_daemon_threads():
    [done], _, elapsed = played(work_in_daemons)
    assert done == [3, 1, 2]
    assert elapsed == timedelta(seconds=3)


def test_what_a_child_says_reaches_the_test(capsys, caplog, recwarn):
    played(speak)
    assert "printed in a child" in capsys.readouterr().out
    assert "logged in a child" in [record.getMessage() for record in caplog.records]
    assert "warned of in a child" in [str(warning.message) for warning in recwarn]


@pytest.mark.filterwarnings("ignore:warned of in a child")
def test_what_a_child_logs_reaches_its_handler_when_an_older_one_is_gone(sim):
    older, said = logging.NullHandler(), []
    known = logging._handlerList[:]
    handler = logging.Handler()
    handler.emit = said.append
    logger.addHandler(handler)
    logging._handlerList.clear()  # as dictConfig does
    try:
        sim.start_worker(app, isolated=True)
        del older
        gc.collect()
        speak.delay()
        sim.run()
    finally:
        logging._handlerList[:] = known
        logger.removeHandler(handler)

    assert [record.getMessage() for record in said] == ["logged in a child"]


def test_what_a_task_forks_ends_where_it_would_return_from_the_task(capfd):
    with retrysim.Simulation(allow=["subprocess"]) as sim:
        sim.start_worker(app, isolated=True)
        result = fork_and_return.delay()
        sim.run()
        assert result.get() == 0
        assert [event.kind for event in sim.trace].count("task-succeeded") == 1
    assert "printed by a fork" in capfd.readouterr().out


def test_an_assertion_in_a_child_is_in_the_trace():
    _, sim, _ = played(raise_it)
    [failed] = [event for event in sim.trace if event.kind == "task-failed"]
    assert failed.exception == "AssertionError: an assertion in a child"
    assert "in raise_it" in failed.traceback


def test_a_run_stops_at_an_event_in_a_child(sim):
    sim.start_worker(app, isolated=True)
    result = count.delay()
    sim.run(until=sim.task(result.id).started)
    assert sim.elapsed == timedelta(0)
    assert sim.task(result.id).state == "STARTED"
    sim.run()
    assert result.get() == 1


def test_only_prefork_can_be_isolated(sim):
    with pytest.raises(InputError, match="pool='gevent' has none"):
        sim.start_worker(app, pool="gevent", isolated=True)


def test_a_simulation_isolates_its_prefork_workers_alone():
    with retrysim.Simulation(isolated=True) as sim:
        assert sim.start_worker(app).isolated
        assert not sim.start_worker(app, pool="threads").isolated


def test_no_process_is_left():
    played(count, times=3, concurrency=3)
    assert forks() == []


@pytest.mark.parametrize(
    ("workers", "isolated"),
    [
        ("", [True]),
        ("workers: {isolated: false}", [False]),
        ("workers: [{name: a}, {name: b, isolated: false}]", [True, False]),
    ],
)
def test_a_project_isolates_the_workers_of_its_scenarios(tmp_path, workers, isolated):
    project = Project(folder=tmp_path, table={"isolated": True})
    text = f"name: a\napp: p\nsubmit: [{{task: t}}]\n{workers}\n"

    [item] = items_of(loads(text, file="f", project=project))

    assert [worker.isolated for worker in item.workers] == isolated


@pytest.mark.filterwarnings("ignore:No data was collected")  # in the child that ends before its first line
@pytest.mark.parametrize("branch", [False, True])
def test_lines_that_run_in_a_child_are_covered(branch):
    coverage = pytest.importorskip("coverage")
    if coverage.Coverage.current() is not None:
        pytest.skip("coverage of the suite itself is measured")
    measured = coverage.Coverage(data_file=None, branch=branch, include=[count.run.__code__.co_filename])
    measured.start()
    try:
        played(count)
    finally:
        measured.stop()

    [file] = measured.get_data().measured_files()
    body = range(count.run.__code__.co_firstlineno + 4, count.run.__code__.co_firstlineno + 7)
    assert set(body) <= set(measured.get_data().lines(file))


def test_a_pool_process_imports_nothing_when_it_starts(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "import celery, retrysim\n"
        "app = celery.Celery('app', broker='memory://', backend='cache+memory://')\n"
        "imported = []\n"
        "@celery.signals.worker_process_init.connect\n"
        "def begin(**_):\n"
        "    imported.extend(sorted(set(sys.modules) - here))\n"
        "@app.task\n"
        "def tell():\n"
        "    return imported\n"
        "with retrysim.Simulation() as sim:\n"
        "    fork = sim.environment.faces.fork\n"
        "    def note_and_fork():\n"
        "        global here\n"
        "        here = set(sys.modules)\n"
        "        return fork()\n"
        "    sim.environment.faces.fork = note_and_fork\n"
        "    sim.start_worker(app, isolated=True)\n"
        "    result = tell.delay()\n"
        "    sim.run()\n"
        "    print(result.get())\n"
    )
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
