"""Celery's own fixtures, as before."""

import mailer
import pytest

pytest_plugins = ["celery.contrib.pytest"]


@pytest.fixture(scope="session")
def celery_config():
    return {"broker_url": "memory://", "result_backend": "cache+memory://"}


@pytest.fixture(scope="session")
def celery_includes():
    return ["mailer"]


@pytest.fixture
def full_for_an_hour(monkeypatch):
    """The mailbox has room at the third time."""
    answers = iter([mailer.MailboxFullError(), mailer.MailboxFullError(), "sent"])

    def deliver(address):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(mailer, "deliver", deliver)
