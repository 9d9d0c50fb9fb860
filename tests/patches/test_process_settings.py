"""What a task changes of its process: nothing of it stays in the process that runs the test."""

import os
import resource
from itertools import count
from pathlib import Path

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


def play(function, pool="prefork", **options):
    app = Celery(f"settings{next(NUMBERS)}", broker="memory://", backend="redis://nobody.example/1")

    @app.task(name="change", shared=False)
    def change():
        return function()

    with Simulation(**options) as sim:
        sim.start_worker(app, pool=pool)
        result = app.tasks["change"].delay()
        sim.run()
        return result.get(), list(sim.notes)


def change_all():
    os.chdir("/")
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    os.nice(3)
    os.setpriority(os.PRIO_PROCESS, 0, 4)
    os.setsid()
    os.setpgid(0, 0)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_nothing_that_a_task_changes_of_its_process_stays(pool):
    before = settings()
    play(change_all, pool)

    assert settings() == before


def test_a_task_works_in_the_directory_and_under_the_limits_that_it_has_set(tmp_path):
    def change():
        os.chdir(tmp_path)
        os.umask(0o027)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        return str(Path.cwd()), os.umask(0o027), resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    assert play(change)[0] == [str(tmp_path), 0o027, 256]


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
