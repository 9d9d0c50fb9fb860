"""What this repository's own scenarios and tests need: ``scenarios.apps`` is importable from here, and ``pytester``."""

import signal

import pytest
from celery import signals

from retrysim.celery.own_tasks import forget_shared_tasks
from retrysim.undo import UndoStack

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell that starts us in the background ignores it
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["pytester"]


#: Plugins that are installed to be tested beside. Where a test runs pytest, randomly would shuffle what that runs, and
#: the other two take longer to import than most of these runs.
_LEFT_OUT = "-p no:randomly -p no:hypothesispytest -p no:anyio"


@pytest.fixture(autouse=True)
def in_the_order_of_the_file(request, monkeypatch):
    """Where a test runs pytest, its plugins are those that the test is about."""
    if "randomly" not in request.node.nodeid:
        if "pytester" in request.fixturenames:
            request.getfixturevalue("pytester")  # it takes the variable away
            for name in ("CI", "BUILD_NUMBER"):  # there pytest shortens no line
                monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PYTEST_ADDOPTS", _LEFT_OUT)


@pytest.fixture(autouse=True)
def no_task_is_left_to_other_apps():
    """Celery shares what a test's function decorates with all apps that are made later, those of other tests, too."""
    with UndoStack() as undo:
        forget_shared_tasks(undo)
        yield


@pytest.fixture(scope="module")
def logging_is_left_alone():
    """A worker of ``celery.contrib.testing`` sets logging up for good, unless a receiver does."""

    def set_up_logging(**_named):
        pass

    signals.setup_logging.connect(set_up_logging)
    yield
    signals.setup_logging.disconnect(set_up_logging)
