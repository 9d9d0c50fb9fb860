"""What a task of a suite's own worker does to end, replace or change its process does not reach the tests."""

import faulthandler
import os
import resource
import signal
import sys
import threading
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest
from celery import Celery
from celery.contrib.testing import worker as contrib

from retrysim import Unsupported
from retrysim.simulation.embedded import EmbeddedWorld

START = datetime(2026, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("logging_is_left_alone")


def rings():
    signal.alarm(1)
    time.sleep(10)


ENDS = {
    "_exit": lambda: os._exit(3),
    "abort": lambda: os.abort(),
    "an abort that a dict has kept": os.abort,
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "SIGINT": lambda: os.kill(os.getpid(), signal.SIGINT),
    "SIGUSR1": lambda: os.kill(os.getpid(), signal.SIGUSR1),
    "SIGTERM to the parent": lambda: os.kill(os.getppid(), signal.SIGTERM),
    "killpg": lambda: os.killpg(os.getpgrp(), signal.SIGTERM),
    "raise_signal": lambda: signal.raise_signal(signal.SIGHUP),
    "pthread_kill": lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM),
    "an alarm": rings,
    "a crash": lambda: faulthandler._sigsegv(),
    "execv": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),
}
REFUSED = {
    "_exit": "a task exits with code 3",
    "abort": "a task is ended by SIGABRT",
    "an abort that a dict has kept": "a task is ended by SIGABRT",
    "SIGKILL": "a task is ended by SIGKILL",
    "SIGTERM": "a task is ended by SIGTERM",
    "SIGINT": "a task is ended by SIGINT",
    "SIGUSR1": "a task is ended by SIGUSR1",
    "SIGTERM to the parent": "a task is ended by SIGTERM",
    "killpg": "a task is ended by SIGTERM",
    "raise_signal": "a task is ended by SIGHUP",
    "pthread_kill": "a task is ended by SIGTERM",
    "an alarm": "a task is ended by SIGALRM",
    "a crash": "a task is ended by SIGSEGV",
    "execv": "a task exits with code 0",
}
OF_A_CHILD = {
    "_exit": "exitcode 3",
    "abort": "signal 6 (SIGABRT)",
    "an abort that a dict has kept": "signal 6 (SIGABRT)",
    "SIGKILL": "signal 9 (SIGKILL)",
    "SIGTERM": "signal 15 (SIGTERM)",
    "SIGINT": "None",  # as billiard lets its children ignore it
    "SIGUSR1": "SoftTimeLimitExceeded",
    "SIGTERM to the parent": "a task is ended by SIGTERM",
    "killpg": "a task is ended by SIGTERM",
    "raise_signal": "exitcode 70",
    "pthread_kill": "signal 15 (SIGTERM)",
    "an alarm": "signal 14 (SIGALRM)",
    "a crash": "signal 11 (SIGSEGV)",
    "execv": "exitcode 0",
}


@pytest.fixture  # for one test: between two of them, pytest-xdist waits for the next
def world():
    with EmbeddedWorld(seed=0, start=START) as world:
        world.start_time()
        yield world


@pytest.fixture
def submit(world, request):
    """Runs a function as a task of a worker with this pool."""
    app = Celery("suite", broker="redis://localhost:1024/0", backend="redis://localhost:1024/0", set_as_current=False)
    functions = {}

    @app.task(shared=False)
    def call(name):
        return functions[name]()

    def submit(name, function):
        functions[name] = function
        return call.delay(name)

    with contrib.start_worker(app, pool=request.param, perform_ping_check=False):
        yield submit


def outcomes(submit):
    """The first line of the error of each way to end, and that the worker goes on after it."""
    found = {}
    for name, end in ENDS.items():
        try:
            error = submit(name, end).get(timeout=100, propagate=False)
        except Unsupported as refused:  # of a signal that comes when no task runs
            error = refused
        found[name] = str(error).splitlines()[0] if str(error) else type(error).__name__
        assert submit("goes on", lambda: "alive").get(timeout=100) == "alive", name
    return found


@pytest.mark.parametrize("submit", ["solo", "threads"], indirect=True)
def test_what_ends_the_process_of_a_worker_that_is_a_thread_of_the_tests_is_refused(submit):
    expected = {
        name: f"{what}, and with it the test: it runs in the test's own process" for name, what in REFUSED.items()
    }
    assert outcomes(submit) == expected


@pytest.mark.parametrize("submit", ["solo"], indirect=True)
def test_the_refusal_names_the_line_and_the_pool_that_has_processes(submit):
    error = submit("exits", lambda: os._exit(3)).get(timeout=100, propagate=False)

    first, where, remedy = str(error).splitlines()
    assert (first, where.partition(": ")[2]) == (
        "a task exits with code 3, and with it the test: it runs in the test's own process",
        'error = submit("exits", lambda: os._exit(3)).get(timeout=100, propagate=False)',
    )
    assert remedy == '  Let a pool process run it, which is simulated: start_worker(app, pool="prefork")'


@pytest.mark.parametrize("submit", ["prefork"], indirect=True)
def test_what_ends_a_pool_process_ends_a_simulated_one(submit):
    assert {name: text for name, text in outcomes(submit).items() if OF_A_CHILD[name] not in text} == {}


@pytest.mark.parametrize("submit", ["solo", "prefork"], indirect=True)
@pytest.mark.parametrize("how", ["setrlimit", "prlimit"])
def test_a_limit_that_a_task_sets_is_put_back_after_the_test(world, submit, how, tmp_path):
    before, directory = resource.getrlimit(resource.RLIMIT_NOFILE), Path.cwd()
    soft = before[0] - 1

    def limits():
        os.chdir(tmp_path)
        if how == "setrlimit":
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))
            resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
        else:
            resource.prlimit(os.getpid(), resource.RLIMIT_CPU, (1, 1))
            assert resource.prlimit(0, resource.RLIMIT_NOFILE, (soft, soft)) == before
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0], str(Path.cwd())

    assert submit("limits", limits).get(timeout=100) == [soft, str(tmp_path)]
    for _ in range(2):  # in each test anew
        world.put_settings_back()
        assert (resource.getrlimit(resource.RLIMIT_NOFILE), Path.cwd()) == (before, directory)
        submit("limits", limits).get(timeout=100)
    world.put_settings_back()
    assert resource.getrlimit(resource.RLIMIT_CPU)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize("submit", ["solo", "prefork"], indirect=True)
def test_a_process_that_a_task_has_forked_ends_for_real(submit):
    def forks():
        child = os.fork()
        if child == 0:
            os._exit(7)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert submit("forks", forks).get(timeout=100) == 7


@pytest.mark.parametrize("submit", ["solo"], indirect=True)
def test_what_the_test_does_with_signals_is_real(submit):
    came = []
    before = signal.signal(signal.SIGUSR1, lambda *_: came.append("SIGUSR1"))
    thread = threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGUSR1))
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        thread.start()
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert came == ["SIGUSR1", "SIGUSR1"]


@pytest.mark.filterwarnings("error::DeprecationWarning")
@pytest.mark.parametrize("submit", ["solo", "prefork"], indirect=True)
def test_a_deprecation_inside_a_library_ends_no_work_of_a_worker(submit):
    def warns():
        exec("import warnings; warnings.warn('old', DeprecationWarning)", {"__name__": "kombu.deep.inside"})
        return "went on"

    assert submit("warns", warns).get(timeout=10) == "went on"


@pytest.mark.filterwarnings("error::DeprecationWarning")
@pytest.mark.parametrize("submit", ["solo"], indirect=True)
def test_a_deprecation_in_the_project_is_still_an_error(submit):
    def warns():
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    assert isinstance(submit("warns", warns).get(timeout=10, propagate=False), DeprecationWarning)
