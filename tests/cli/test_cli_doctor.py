"""``retrysim doctor``: versions beside what is tested, and a self-test."""

from __future__ import annotations

import json

from retrysim.cli import doctor, self_test

NAMES = [
    "python",
    "celery",
    "kombu",
    "billiard",
    "amqp",
    "vine",
    "redis",
    "fakeredis",
    "greenlet",
    "pydantic",
    "h11",
    "responses",
]


def test_doctor_lists_every_package_with_its_range_and_passes_its_self_test(retrysim):
    ended = retrysim("doctor", "--json")

    report = json.loads(ended.out)
    assert (ended.code, ended.err) == (0 if report["healthy"] else 1, "")
    assert [one["package"] for one in report["packages"]] == NAMES
    assert all(one["version"] and one["oldest"] and one["newest"] for one in report["packages"])
    assert {test["broker"]: test["error"] for test in report["self_test"]} == dict.fromkeys(
        ("memory", "redis", "rabbitmq")
    )


def test_doctor_says_what_differs_and_exits_1(retrysim, monkeypatch):
    monkeypatch.setattr("retrysim.versions.TESTED", {"celery": ("5.1", "5.2"), "nosuchpackage": ("1", "2")})
    monkeypatch.setattr(self_test, "EXPECTED", dict.fromkeys(("memory", "redis", "rabbitmq"), "SUCCESS"))

    ended = retrysim("doctor")

    assert ended.code == 1
    celery, missing, memory, redis, rabbitmq = ended.out.splitlines()[2:]
    assert celery.endswith("tested: 5.1 to 5.2       newer than tested")
    assert missing == "  nosuchpackage -          tested: 1 to 2           not installed"
    assert memory.startswith("self-test on memory: failed: expected ({'SUCCESS': 3}, 'SUCCESS'), got (")
    assert redis.startswith("self-test on redis: failed: ")
    assert rabbitmq.startswith("self-test on rabbitmq: failed: ")


def test_an_error_of_the_self_test_is_part_of_the_report(retrysim, monkeypatch):
    monkeypatch.setattr(doctor, "_BROKERS", ["pigeon"])

    ended = retrysim("doctor", "--json")

    assert json.loads(ended.out)["self_test"][0]["error"].startswith("Unsupported: broker='pigeon': ")
    assert ended.code == 1
