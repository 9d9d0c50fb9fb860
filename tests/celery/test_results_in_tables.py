"""Results in SQLAlchemy's tables: the app's own, where that database may be used; else nothing is made there."""

import sqlite3

import pytest
from celery import Celery

from retrysim import Simulation
from retrysim.celery.results import ResultStore
from retrysim.errors import Deadlock

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "results.db"


@pytest.fixture
def app(file):
    app = Celery("tables", broker="redis://nobody.example/0", backend=f"db+sqlite:///{file}", set_as_current=False)

    @app.task(name="add", shared=False)
    def add(a, b):
        return a + b

    return app


def test_a_database_that_nobody_allowed_is_not_touched(app, file):
    with Simulation(broker="redis") as sim:
        sim.start_worker(app)

        assert isinstance(app.backend, ResultStore)
        assert app.tasks["add"].delay(1, 2).get() == 3
        assert sim.notes == ["tables: its results are kept in the memory of the simulation, and not in 'db+sqlite'"]
    assert not file.exists()


def test_one_that_is_allowed_has_a_row_for_each_result(app, file):
    with Simulation(broker="redis", allow=f"sqlite:///{file}") as sim:
        sim.start_worker(app)
        result = app.tasks["add"].delay(1, 2)

        assert result.get() == 3
        with pytest.raises(Deadlock, match="the test waits for the result of task nobody"):
            app.AsyncResult("nobody").get()
    rows = sqlite3.connect(file).execute("select task_id, status from celery_taskmeta").fetchall()
    assert rows == [(result.id, "SUCCESS")]
