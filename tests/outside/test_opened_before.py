"""A connection that a module opened before the simulation is as closed to a task as a new one."""

import os
import sqlite3

import pytest
from celery import Celery

from retrysim import RealDatabase, Simulation

app = Celery("orders", broker="memory://", backend="cache+memory://")


class Shop:
    """The project's own, with what it opened when it was imported somewhere in its depth."""

    def __init__(self):
        self.held = {"main": []}


shop = Shop()


@pytest.fixture(autouse=True)
def empty():
    yield
    shop.held["main"].clear()


@pytest.fixture
def path(tmp_path):
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE orders (number)")
    connection.close()
    return tmp_path / "shop.db"


def _server(driver, **options):
    module = pytest.importorskip(driver, reason=f"{driver} is not installed")
    try:
        return module.connect(host="127.0.0.1", **options)
    except module.OperationalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no server for {driver}: {str(error).splitlines()[0]}")


def _session(path):
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    from sqlalchemy.orm import Session

    session = Session(sqlalchemy.create_engine(f"sqlite:///{path}"))
    session.execute(sqlalchemy.text("SELECT 1"))
    return session


def _connection_of_an_engine(path):
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    return sqlalchemy.create_engine(f"sqlite:///{path}").connect()


OPENED = {
    "sqlite3": sqlite3.connect,
    "a cursor of sqlite3": lambda path: sqlite3.connect(path).cursor(),
    "psycopg": lambda _: _server("psycopg", user="postgres", dbname="postgres"),
    "psycopg2": lambda _: _server("psycopg2", user="postgres", dbname="postgres"),
    "a cursor of psycopg2": lambda _: _server("psycopg2", user="postgres", dbname="postgres").cursor(),
    "PyMySQL": lambda _: _server("pymysql", user="root"),
    "a connection of SQLAlchemy": _connection_of_an_engine,
    "a session of SQLAlchemy": _session,
}


def _ask(opened):
    """Something that reaches the database, in the words of its kind."""
    if hasattr(opened, "cursor"):
        opened.cursor().execute("SELECT 1")
    elif hasattr(opened, "get_bind") or hasattr(opened, "engine"):
        import sqlalchemy

        opened.execute(sqlalchemy.text("SELECT 1"))
    else:
        opened.execute("SELECT 1")


@app.task(name="orders.ask")
def ask():
    _ask(shop.held["main"][0])
    return "answered"


@pytest.mark.parametrize("kind", OPENED)
def test_a_task_is_refused_what_a_module_opened_before(kind, path):
    opened = OPENED[kind](path)
    shop.held["main"].append(opened)
    with Simulation() as sim:
        sim.start_worker(app)
        with pytest.raises(RealDatabase, match=r"a task uses a real database: .* at .*\n  at .*test_opened_before"):
            ask.delay().get()

    assert shop.held["main"] == [opened]
    _ask(opened)
    opened.close()


@pytest.mark.parametrize("permit", ["database", "sqlite:///{path}"])
def test_what_is_allowed_is_used_itself(path, permit):
    with sqlite3.connect(path) as opened:
        shop.held["main"].append(opened)
        with Simulation(allow=permit.format(path=path)) as sim:
            sim.start_worker(app)
            assert shop.held["main"][0] is opened
            assert ask.delay().get() == "answered"
    opened.close()


def test_what_is_in_memory_stays_itself():
    opened = sqlite3.connect(":memory:")
    shop.held["main"].append(opened)
    with Simulation() as sim:
        sim.start_worker(app)
        assert shop.held["main"][0] is opened
        assert ask.delay().get() == "answered"
    opened.close()


def test_the_stand_in_is_of_the_same_class_and_can_be_closed(path):
    shop.held["main"].append(sqlite3.connect(path))
    with Simulation():
        stand_in = shop.held["main"][0]
        assert isinstance(stand_in, sqlite3.Connection)
        with pytest.raises(RealDatabase), stand_in:
            pass
        stand_in.close()


def test_a_cursor_is_read_once_its_file_is_allowed(path):
    cursor = sqlite3.connect(path).execute("SELECT name FROM sqlite_master")
    shop.held["main"].append(cursor)
    with Simulation() as sim:
        with pytest.raises(RealDatabase):
            list(shop.held["main"][0])
        sim.allow(f"sqlite:///{path}")
        assert list(shop.held["main"][0]) == [("orders",)]
    cursor.connection.close()
