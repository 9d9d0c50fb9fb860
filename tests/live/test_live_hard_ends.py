"""However a live run ends, nothing of it is left: no process, no key, no virtual host, no file."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import redis
from tests.live.conftest import processes, start

pytestmark = pytest.mark.slow

LONG = """\
name: a long wait
app: conformance.app:app
submit: [{task: add, args: [1, 2], countdown: 1h}]
"""


@pytest.fixture
def scenario(tmp_path):
    file = tmp_path / "long.scenario.yaml"
    file.write_text(LONG)
    return file


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


def keys(url):
    return set(redis.Redis.from_url(url).scan_iter("retrysim:*:unacked"))


def live_folders():
    return {folder.name for folder in Path("/tmp").glob("retrysim-*")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_process_and_no_key(scenario, redis_url, number):
    others, other_keys = set(processes()), keys(redis_url)
    player = start(scenario, "--live", redis_url, "--scale", "10")
    wait_for(lambda: keys(redis_url) - other_keys)  # the worker holds the message
    ours = set(processes()) - others

    player.send_signal(number)
    player.communicate(timeout=60)

    assert len(ours) >= 3  # the stage, the worker, its pool process
    wait_for(lambda: not ours & set(processes()))
    wait_for(lambda: not keys(redis_url) - other_keys)


def test_an_interrupted_run_leaves_no_virtual_host(scenario, amqp_url):
    def hosts():
        listed = subprocess.run(["rabbitmqctl", "-q", "list_vhosts"], capture_output=True, text=True, check=True)
        return {line for line in listed.stdout.splitlines() if line.startswith("retrysim-")}

    others = hosts()
    player = start(scenario, "--live", amqp_url, "--scale", "10")
    wait_for(lambda: hosts() - others)
    ours = hosts() - others

    os.kill(player.pid, signal.SIGINT)
    player.communicate(timeout=60)

    assert not hosts() & ours


def test_a_run_that_ends_leaves_nothing(run, redis_url):
    client = redis.Redis.from_url(redis_url)
    before = set(client.scan_iter("retrysim:*"))

    ended = run("conformance/01_success.scenario.yaml", "--live", redis_url)

    assert ended.code == 0, ended.out + ended.err
    assert not set(client.scan_iter("retrysim:*")) - before
