"""Real brokers for the tests of the live arm; without one they are skipped, which in CI is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from kombu import Connection

REPOSITORY = Path(__file__).parents[2]


def _missing(reason):
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; in CI that is an error")
    pytest.skip(reason)


@pytest.fixture
def redis_url():
    url = os.environ.get("RETRYSIM_REDIS_URL", "redis://127.0.0.1:6379/0")
    try:
        redis.Redis.from_url(url, socket_connect_timeout=2).ping()
    except redis.RedisError as error:
        _missing(f"no Redis at {url} ({error})")
    return url


@pytest.fixture
def amqp_url():
    url = os.environ.get("RETRYSIM_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
    try:
        with Connection(url, connect_timeout=2) as connection:
            connection.connect()
    except Exception as error:
        _missing(f"no RabbitMQ at {url} ({error})")
    return url


@dataclass(frozen=True, kw_only=True)
class Ended:
    code: int
    out: str
    err: str


def start(*arguments, folder=REPOSITORY):
    command = [sys.executable, "-m", "retrysim.cli", "run", *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def run():
    """``retrysim run`` in a process of its own, since it starts others."""

    def run_to_the_end(*arguments, folder=REPOSITORY):
        process = start(*arguments, folder=folder)
        out, err = process.communicate(timeout=120)
        return Ended(code=process.returncode, out=out, err=err)

    return run_to_the_end


def processes():
    """The processes of live runs that there are now: pid -> command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if "retrysim.live" in command or "celery@worker-" in command:
                found[int(entry.name)] = command
    return found
