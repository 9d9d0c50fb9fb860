"""What a live run says to a user who asks for what it cannot do."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

SUCCESS = "conformance/01_success.scenario.yaml"


def test_a_broker_that_does_not_answer(run):
    ended = run(SUCCESS, "--live", "redis://127.0.0.1:1/0")

    assert ended.code == 2
    assert ended.err.endswith(
        "redis://127.0.0.1:1/0 does not answer: Error 111 connecting to 127.0.0.1:1. Connection refused.. "
        "Is a Redis running there?\n"
    )


def test_a_url_of_no_broker(run):
    ended = run(SUCCESS, "--live", "sqs://")

    assert (ended.code, ended.err.splitlines()[-1]) == (
        2,
        "--live sqs://: expected a URL that begins with redis:// or amqp://",
    )


def test_several_items_at_once_in_the_virtual_host_that_the_url_names(run):
    ended = run(SUCCESS, "--live", "amqp://guest:guest@127.0.0.1:5672/shop", "--jobs", "3")

    assert (ended.code, ended.err) == (
        2,
        "--live amqp://guest:guest@127.0.0.1:5672/shop --jobs 3: the virtual host 'shop' holds one run at a time. Write "
        "--jobs 1, or a URL without a virtual host: each run then makes one with rabbitmqctl\n",
    )


def test_a_scale_beyond_what_the_broker_bears(run):
    ended = run(SUCCESS, "--live", "redis", "--scale", "50")

    assert ended.code == 2
    assert ended.err == (
        "--scale 50: expected 1 to 20. The broker lives in real time: it answers a BRPOP after a second, which is 50 s "
        "for the workers, and kombu takes the connection for dead after 26\n"
    )


def test_a_scale_beyond_what_the_machine_can_tell_apart(run, tmp_path):
    file = tmp_path / "fine.scenario.yaml"
    file.write_text("name: fine\napp: conformance.app:app\nsubmit: [{task: add, args: [1, 2], countdown: 1s}]\n")

    ended = run(file, "--live", "redis", "--scale", "20")

    assert ended.code == 2
    assert ended.err == (
        f"{file}: --scale 20 makes its shortest wait, 1s, 50ms long, and a real worker needs 250ms to tell two instants "
        "apart: at most --scale 4\n"
    )


def test_a_scale_that_is_none(run):
    ended = run(SUCCESS, "--live", "redis", "--scale", "fast")

    assert ended.code == 2
    assert "'fast': expected a number of at least 1, or auto" in ended.err


def test_an_item_without_a_worker(run, tmp_path):
    file = tmp_path / "eager.scenario.yaml"
    file.write_text("name: eager\napp: conformance.app:app\ncelery: eager\nsubmit: [{task: add, args: [1, 2]}]\n")

    ended = run(file, "--live", "redis")

    assert ended.code == 2
    assert ended.err == f"{file}:3:9: celery: a live run needs a real worker, and this item is eager\n"


def test_a_fault_that_only_a_simulation_has(run):
    file = "scenarios/faults/dropped_retry.scenario.yaml"

    ended = run(file, "--live", "redis")

    assert ended.code == 2
    assert ended.err == (
        f"{file}:6:35: faults[0].drop: only a simulation can do this to the messages and results of a run\n"
    )


def test_a_clock_that_only_a_simulation_can_set(run, tmp_path):
    (tmp_path / "clock.scenario.yaml").write_text(
        "name: a clock\napp: scenarios.apps.orders:app\nsubmit: [{task: refund}]\n"
        "faults: [{skew_clock: worker-1, by: 30s, at: 1s}]\n"
    )

    ended = run(str(tmp_path / "clock.scenario.yaml"), "--live", "redis")

    assert ended.code == 2
    assert ended.err == (
        f"{tmp_path}/clock.scenario.yaml:4:23: faults[0].skew_clock: the processes of a live run share the clock of this "
        "machine: only a simulation can skew one\n"
    )


ORDER = "workers: {count: 2}\norder: [{at: 0s, next: worker-2}]\n"
RESTART = "broker: rabbitmq\nfaults: [{restart: broker, at: 1s, for: 5s}]\n"


@pytest.mark.parametrize(
    ("more", "broker", "refused"),
    [
        (ORDER, "redis", "5:8: order: real workers race, and only a simulation decides who goes first"),
        (
            RESTART,
            "amqp",
            "5:20: faults[0].restart: a live run stops no RabbitMQ, for others may use it: only a Redis that it has "
            "started itself",
        ),
    ],
)
def test_what_real_workers_or_a_shared_broker_cannot_do_is_refused(run, tmp_path, more, broker, refused):
    file = tmp_path / "refused.scenario.yaml"
    file.write_text(f"name: refused\napp: scenarios.apps.orders:app\nsubmit: [{{task: refund, times: 2}}]\n{more}")

    ended = run(str(file), "--live", broker)

    assert ended.code == 2
    assert ended.err == f"{file}:{refused}\n"


def test_a_worker_that_does_not_come_up(run, redis_url, tmp_path):
    (tmp_path / "broken.py").write_text(
        "from celery import Celery\napp = Celery('broken')\napp.conf.worker_pool = 'nonsense'\n"
        "@app.task\ndef add():\n    pass\n"
    )
    (tmp_path / "broken.scenario.yaml").write_text("name: broken\napp: broken:app\nsubmit: [{task: add}]\n")

    ended = run("broken.scenario.yaml", "--live", redis_url, folder=tmp_path)

    assert ended.code == 1
    assert "worker-1 ended before it was ready. The end of its log:\n" in ended.err
    assert "nonsense" in ended.err
