"""What this repository's own scenarios and tests need: ``scenarios.apps`` is importable from here, and ``pytester``."""

import signal

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell that starts us in the background ignores it
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def in_the_order_of_the_file(request, monkeypatch):
    """pytest-randomly is installed to be tested beside; where a test runs pytest, it would shuffle what that runs."""
    if "pytester" in request.fixturenames and "randomly" not in request.node.nodeid:
        request.getfixturevalue("pytester")  # it takes the variable away
        monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly")
