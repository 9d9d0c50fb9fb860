"""Tests before the first that has a worker: they meet the simulated Redis, too."""

import mailer
import pytest


@pytest.fixture(scope="session")
def filled():
    mailer.client.set("from-a-fixture", 1)


def test_before_any_worker(filled):
    mailer.client.incr("letters")
    assert mailer.client.get("from-a-fixture") == b"1"
    mailer.note.delay(1)
