"""What tasks, workers and programs change of the interpreter is as it was after the simulation; what the test changes stays."""

import asyncio
import decimal
import gc
import io
import locale
import logging
import multiprocessing
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
from itertools import count
from pathlib import Path

import pytest
from celery import Celery
from celery.signals import worker_process_init

from retrysim.simulation import Simulation

NUMBERS = count()


def ignore(*_args):
    pass


class OwnLogger(logging.Logger):
    pass


class OwnRecord(logging.LogRecord):
    pass


class Finder:
    def find_spec(self, *_args):
        return None


class OwnPolicy(asyncio.DefaultEventLoopPolicy):
    pass


def set_zone():
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()


def set_decimals():
    decimal.DefaultContext.prec = decimal.getcontext().prec = 5
    decimal.DefaultContext.rounding = decimal.ROUND_UP


def set_root_logger():
    logging.basicConfig(level=logging.CRITICAL, handlers=[logging.NullHandler()], force=True)


def decimals():
    return decimal.getcontext().prec, decimal.DefaultContext.prec, decimal.DefaultContext.rounding


def attribute(owner, name, value):
    return lambda: setattr(owner, name, value), lambda: getattr(owner, name)


#: What changes a setting, and what reads it.
def captures():
    """Whether warnings are logged; a test before may have wanted that."""
    return logging._warnings_showwarning is not None


SETTINGS = {
    "a new variable": (lambda: os.environ.update(NEW="1"), lambda: "NEW" in os.environ),
    "a variable": (lambda: os.environ.update(PATH="/nowhere"), lambda: os.environ["PATH"]),
    "no variable": (lambda: os.environ.pop("PATH"), lambda: "PATH" in os.environ),
    "time zone": (set_zone, lambda: (os.environ.get("TZ"), time.tzname)),
    "locale": (lambda: locale.setlocale(locale.LC_ALL, "C"), lambda: locale.setlocale(locale.LC_ALL)),
    "recursion limit": (lambda: sys.setrecursionlimit(4321), sys.getrecursionlimit),
    "digits of an int": (lambda: sys.set_int_max_str_digits(4321), sys.get_int_max_str_digits),
    "switch interval": (lambda: sys.setswitchinterval(0.5), sys.getswitchinterval),
    "garbage collector": (gc.disable, gc.isenabled),
    "its callbacks": (lambda: gc.callbacks.append(ignore), lambda: list(gc.callbacks)),
    "its thresholds": (lambda: gc.set_threshold(5, 5, 5), gc.get_threshold),
    "sys.path": (lambda: sys.path.insert(0, "/nowhere"), lambda: list(sys.path)),
    "sys.argv": (lambda: sys.argv.append("more"), lambda: list(sys.argv)),
    "sys.meta_path": (lambda: sys.meta_path.append(Finder()), lambda: [type(one).__name__ for one in sys.meta_path]),
    "sys.stdin": attribute(sys, "stdin", io.StringIO()),
    "sys.stdout": attribute(sys, "stdout", io.StringIO()),
    "sys.stderr": attribute(sys, "stderr", io.StringIO()),
    "sys.excepthook": attribute(sys, "excepthook", ignore),
    "sys.unraisablehook": attribute(sys, "unraisablehook", ignore),
    "sys.displayhook": attribute(sys, "displayhook", ignore),
    "sys.breakpointhook": attribute(sys, "breakpointhook", ignore),
    "sys.dont_write_bytecode": attribute(sys, "dont_write_bytecode", "maybe"),
    "threading.excepthook": attribute(threading, "excepthook", ignore),
    "tempfile.tempdir": attribute(tempfile, "tempdir", "/nowhere"),
    "timeout of sockets": (lambda: socket.setdefaulttimeout(4.5), socket.getdefaulttimeout),
    "start method": (
        lambda: multiprocessing.set_start_method("forkserver", force=True),
        lambda: multiprocessing.get_start_method(allow_none=True),
    ),
    "policy of asyncio": (
        lambda: asyncio.set_event_loop_policy(OwnPolicy()),
        lambda: isinstance(asyncio.get_event_loop_policy(), OwnPolicy),
    ),
    "decimal": (set_decimals, decimals),
    "logging.disable": (lambda: logging.disable(logging.CRITICAL), lambda: logging.root.manager.disable),
    "root logger": (set_root_logger, lambda: (logging.root.level, list(logging.root.handlers))),
    "class of loggers": (lambda: logging.setLoggerClass(OwnLogger), logging.getLoggerClass),
    "factory of log records": (lambda: logging.setLogRecordFactory(OwnRecord), logging.getLogRecordFactory),
    "filters of warnings": (lambda: warnings.simplefilter("ignore"), lambda: list(warnings.filters)),
    "capture of warnings": (lambda: logging.captureWarnings(not captures()), captures),
    "warnings.showwarning": attribute(warnings, "showwarning", ignore),
    "random": (lambda: random.seed(5), random.getstate),
    "handler of a signal": (lambda: signal.signal(signal.SIGUSR1, ignore), lambda: signal.getsignal(signal.SIGUSR1)),
    "working directory": (lambda: os.chdir("/"), Path.cwd),
}


def app_with(function):
    app = Celery(f"settings{next(NUMBERS)}", broker="memory://", backend="redis://nobody.example/1")

    @app.task(name="change", shared=False)
    def change():
        return function()

    return app


def play(function, pool="prefork", between=ignore, after=ignore):
    app = app_with(function)
    with Simulation() as sim:
        sim.start_worker(app, pool=pool)
        between()
        result = app.tasks["change"].delay()
        sim.run()
        after()
        return result.get()


@pytest.mark.parametrize("name", SETTINGS)
def test_nothing_that_a_task_sets_stays_in_the_interpreter(name):
    change, read = SETTINGS[name]
    before = read()
    changed = play(lambda: (change(), repr(read()))[1])

    assert changed != repr(before)
    assert read() == before


def change_all():
    for name, (change, _) in SETTINGS.items():
        if name != "handler of a signal":  # which only a main thread may set
            change()


def values():
    return {name: read() for name, (_, read) in SETTINGS.items()}


@pytest.mark.parametrize("pool", ["solo", "threads", "gevent"])
def test_nothing_that_a_task_of_another_pool_sets_stays(pool):
    before = values()
    play(change_all, pool)

    assert values() == before


def test_nothing_stays_of_what_a_program_and_a_receiver_set():
    before = values()
    with Simulation() as sim:
        worker_process_init.connect(lambda **_: os.environ.update(RECEIVED="1"), weak=False, dispatch_uid="settings")
        sim.start_worker(app_with(ignore))
        sim.start_program(change_all)
        sim.run()
    worker_process_init.disconnect(dispatch_uid="settings")

    assert "RECEIVED" not in os.environ
    assert values() == before


def test_nothing_stays_after_an_error_of_the_test():
    before = values()
    with pytest.raises(ZeroDivisionError):
        play(change_all, after=lambda: 1 / 0)

    assert values() == before


def test_nothing_stays_of_a_task_that_never_ends():
    before = values()

    def change_and_wait():
        change_all()
        time.sleep(1e18)

    with pytest.raises(Exception, match="virtual"):
        play(change_and_wait)

    assert values() == before


# -- what the test changes ---------------------------------------------------------------------------------------------


def test_what_the_test_sets_meanwhile_stays(monkeypatch):
    handler = logging.NullHandler()

    def set_between():
        monkeypatch.setenv("OF_THE_TEST", "1")
        monkeypatch.syspath_prepend("/of/the/test")
        logging.root.addHandler(handler)
        sys.setrecursionlimit(2345)

    limit = sys.getrecursionlimit()
    try:
        play(lambda: set_root_logger() or sys.path.append("/of/the/task"), between=set_between)

        assert os.environ["OF_THE_TEST"] == "1"
        assert sys.path[0] == "/of/the/test"
        assert "/of/the/task" not in sys.path
        assert handler in logging.root.handlers
        assert sys.getrecursionlimit() == 2345
    finally:
        logging.root.removeHandler(handler)
        sys.setrecursionlimit(limit)


def test_what_the_test_sets_after_a_task_stays(monkeypatch):
    monkeypatch.setenv("SHOP", "before")
    monkeypatch.setenv("KEY", "before")
    handler = logging.NullHandler()

    def set_after():
        os.environ["SHOP"] = "test"
        logging.root.addHandler(handler)
        tempfile.tempdir = "/of/the/test"

    directory, handlers = tempfile.tempdir, list(logging.root.handlers)
    try:
        play(lambda: (os.environ.update(SHOP="task", KEY="task"), set_root_logger()), after=set_after)

        assert (os.environ["SHOP"], os.environ["KEY"]) == ("test", "before")
        assert logging.root.handlers == [*handlers, handler]
        assert tempfile.tempdir == "/of/the/test"
    finally:
        logging.root.removeHandler(handler)
        tempfile.tempdir = directory


def test_a_task_changes_what_the_test_has_set_between_two_runs(monkeypatch):
    monkeypatch.setenv("SHOP", "first")
    app, values = app_with(lambda: os.environ.update(SHOP="task")), []

    with Simulation() as sim:
        sim.start_worker(app)
        for value in ("second", "third"):
            monkeypatch.setenv("SHOP", value)
            app.tasks["change"].delay()
            sim.run()
            values.append(os.environ["SHOP"])

    assert values == ["task", "task"]
    assert os.environ["SHOP"] == "third"


def test_what_a_module_sets_while_it_is_imported_stays(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SET_BY_AN_IMPORT", "no")
    monkeypatch.setenv("SET_BY_A_TASK", "no")
    (tmp_path / "sets_a_variable.py").write_text('import os\nos.environ["SET_BY_AN_IMPORT"] = "yes"\n')

    def import_it():
        os.environ["SET_BY_A_TASK"] = "yes"
        __import__("sets_a_variable")
        os.environ["SET_BY_A_TASK"] = "again"

    try:
        play(import_it)
    finally:
        sys.modules.pop("sets_a_variable", None)

    assert os.environ["SET_BY_AN_IMPORT"] == "yes"
    assert os.environ["SET_BY_A_TASK"] == "no"


# -- the workers of Celery's own fixtures ------------------------------------------------------------------------------


@pytest.mark.slow
def test_nothing_stays_after_a_test_with_a_suites_worker(pytester):
    pytester.makepyfile(
        """
        import logging
        import os

        def test_one(celery_app, celery_worker):
            @celery_app.task
            def change():
                os.environ["CHANGED"] = "1"
                logging.disable(logging.CRITICAL)

            celery_worker.reload()
            os.environ["OF_THE_TEST"] = "1"
            change.delay().get(timeout=10)
            assert os.environ["CHANGED"] == "1"

        def test_two():
            assert "CHANGED" not in os.environ
            assert os.environ["OF_THE_TEST"] == "1"
            assert logging.root.manager.disable == 0
        """
    )
    result = pytester.runpytest_subprocess("--retrysim-worker", "-p", "celery.contrib.pytest")
    result.assert_outcomes(passed=2)
