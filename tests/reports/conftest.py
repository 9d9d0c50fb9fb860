"""The runs that are drawn."""

import pytest
import runs


@pytest.fixture
def refused_and_retried():
    return runs.refused_and_retried()


@pytest.fixture
def killed():
    return runs.killed()


@pytest.fixture(scope="session")
def many():
    """Five thousand attempts."""
    return runs.many(5_000)
