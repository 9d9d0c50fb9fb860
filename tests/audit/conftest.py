"""One audit of the app, for all tests that read it."""

import pytest
from tests.audit.audited import app

from retrysim.audit import audit


@pytest.fixture(scope="session")
def report():
    return audit("tests.audit.audited:app", tasks=["tests.audit.audited." + name for name in own_names()], jobs=1)


def own_names():
    """Celery gives every app of a process the tasks of all others: those of other tests are left out."""
    return [name.rpartition(".")[2] for name in app.tasks if name.startswith("tests.audit.audited.")]


@pytest.fixture(scope="session")
def audited(report):
    """The report on a task, by the last word of its name."""
    return {task.name.rpartition(".")[2]: task for task in report.tasks}
