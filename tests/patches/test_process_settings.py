"""What a task changes of its process: nothing of it stays in the process that runs the test."""

import os
import resource
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from celery import Celery

from retrysim.errors import AppError, Unsupported
from retrysim.simulation import Simulation

NUMBERS = count()


def settings():
    mask = os.umask(0)
    os.umask(mask)
    return {
        "directory": Path.cwd(),
        "umask": mask,
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "processor": resource.getrlimit(resource.RLIMIT_CPU),
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "session": os.getsid(0),
        "group": os.getpgrp(),
        "processors": os.sched_getaffinity(0),
        "user": os.getresuid(),
    }


def play(function, pool="prefork", isolated=None, **options):
    app = Celery(f"settings{next(NUMBERS)}", broker="memory://", backend="redis://nobody.example/1")

    @app.task(name="change", shared=False)
    def change():
        return function()

    with Simulation(**options) as sim:
        sim.start_worker(app, pool=pool, isolated=isolated)
        result = app.tasks["change"].delay()
        sim.run()
        return result.get(), list(sim.notes)


def change_all():
    os.chdir("/")
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    resource.setrlimit(resource.RLIMIT_CPU, (100, 100))
    os.nice(3)
    os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + 1)
    os.setsid()
    with suppress(PermissionError):  # of who leads a session
        os.setpgid(0, 0)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@pytest.mark.parametrize(
    ("pool", "isolated"), [("prefork", False), ("prefork", True), ("threads", None), ("solo", None)]
)
def test_nothing_that_a_task_changes_of_its_process_stays(pool, isolated):
    before = settings()
    play(change_all, pool, isolated)

    assert settings() == before


def test_an_isolated_process_changes_its_own_settings():
    def change():
        change_all()
        changed = settings()
        return changed["files"], changed["processor"], changed["niceness"], changed["session"] == os.getpid()

    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    changed, notes = play(change, isolated=True)

    assert changed == [[256, 256], [100, 100], min(niceness + 4, 19), True]
    assert not [note for note in notes if "left out" in note]


def test_an_isolated_process_leaves_out_what_concerns_another_one():
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    _, notes = play(lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19), isolated=True)

    assert os.getpriority(os.PRIO_PROCESS, 0) == niceness
    assert "os.setpriority of another process is left out" in notes


def test_a_task_works_in_the_directory_and_under_the_limits_that_it_has_set(tmp_path):
    def change():
        os.chdir(tmp_path)
        os.umask(0o027)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        return str(Path.cwd()), os.umask(0o027), resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    assert play(change)[0] == [str(tmp_path), 0o027, 256]


def test_what_the_test_sets_after_a_task_stays(tmp_path):
    before = settings()
    app = Celery(f"settings{next(NUMBERS)}", broker="memory://", backend="redis://nobody.example/1")

    @app.task(name="change", shared=False)
    def change():
        change_all()

    try:
        with Simulation() as sim:
            sim.start_worker(app)
            change.delay().get()
            os.chdir(tmp_path)
            os.umask(0o027)
            resource.setrlimit(resource.RLIMIT_NOFILE, (512, before["files"][1]))

        assert settings() == before | {"directory": tmp_path, "umask": 0o027, "files": (512, before["files"][1])}
    finally:
        os.chdir(before["directory"])
        os.umask(before["umask"])
        resource.setrlimit(resource.RLIMIT_NOFILE, before["files"])


def test_the_directory_is_put_back_where_the_tasks_own_is_gone():
    def change():
        with TemporaryDirectory() as folder:
            os.chdir(folder)

    before = Path.cwd()
    play(change)

    assert Path.cwd() == before


def test_what_is_left_out_is_said_once():
    def change():
        return os.nice(3), os.nice(3)

    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    result, notes = play(change)

    assert result == [niceness + 3, niceness + 3]
    assert [note for note in notes if "nice" in note] == [
        "os.nice is left out: simulated processes run in one process of the machine, the test's"
    ]


@pytest.mark.parametrize("name", ["setuid", "setgid", "seteuid"])
def test_a_task_gives_up_no_rights_of_the_test(name):
    uid = os.getuid()
    with pytest.raises((AppError, Unsupported), match=rf"calls os\.{name}, which would change the rights"):
        play(lambda: getattr(os, name)(uid))
