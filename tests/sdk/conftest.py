"""Real SDKs, each in its own way of waiting: a test session apart, because of what they pull in.

    python -m venv sdks && sdks/bin/pip install -e ".[test]" -r tests/sdk/requirements.txt
    sdks/bin/python -m pytest tests/sdk

Anywhere else these tests skip, each naming the SDK that is missing; with ``RETRYSIM_SDKS=required``, as in CI, a
missing one is a failure.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import freezegun
import pytest

#: Modules that keep real time: they measure the tests, or wait for threads.
REAL = ("threading", "queue", "_pytest.runner", "_pytest.terminal")


@pytest.fixture
def sdk():
    """Imports an SDK by name, or skips the test."""

    def load(name):
        if os.environ.get("RETRYSIM_SDKS") == "required":
            return importlib.import_module(name)
        return pytest.importorskip(name, reason=f"{name} is not installed: see tests/sdk/requirements.txt")

    return load


@pytest.fixture
def slept(monkeypatch) -> Iterator[list[float]]:
    """What the code under test slept, in seconds; it is Monday noon, and a sleep moves every clock instead of waiting."""
    naps: list[float] = []
    freezer = freezegun.freeze_time("2026-01-05T12:00:00Z", real_asyncio=True)
    freezer.ignore = REAL  # without freezegun's own list, whose "gi" would spare github
    real_sleep, real_async_sleep = time.sleep, asyncio.sleep

    def sleep(seconds):
        if seconds > 0:
            naps.append(round(seconds, 6))
            frozen.tick(timedelta(seconds=seconds))

    async def async_sleep(seconds, result=None):
        sleep(seconds)
        return await real_async_sleep(0, result)

    with freezer as frozen:
        for module in list(sys.modules.values()):
            replace_sleep(monkeypatch, module, {real_sleep: sleep, real_async_sleep: async_sleep})
        yield naps


def replace_sleep(monkeypatch, module, stand_ins):
    """In the module itself and wherever it was imported by name."""
    try:
        current = vars(module).get("sleep")
        stand_in = stand_ins.get(current)
    except TypeError:  # something that cannot be hashed, or no real module
        return
    if stand_in is not None:
        monkeypatch.setattr(module, "sleep", stand_in)
