"""Celery's own fixtures, as before."""

import pytest

pytest_plugins = ["celery.contrib.pytest"]


@pytest.fixture(scope="session")
def celery_config():
    return {"broker_url": "memory://", "result_backend": "cache+memory://"}


@pytest.fixture(scope="session")
def celery_includes():
    return ["mailer"]
