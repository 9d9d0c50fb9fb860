"""A database's driver inside a task, without Django: its connection is refused, or allowed by name."""

import os

import pytest
from celery import Celery

from retrysim import Simulation
from retrysim.errors import RealDatabase, UnservedHost

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")


@pytest.fixture
def app():
    return Celery("drivers", broker="memory://", backend="cache+memory://", set_as_current=False)


@pytest.mark.parametrize(
    ("host", "permit"),
    [
        ("127.0.0.1", "localhost:5432"),
        ("localhost", "127.0.0.1"),
        ("localhost", "database"),
        ("127.0.0.1", "postgresql+psycopg://somebody@localhost/anything"),
    ],
)
def test_psycopg_reaches_the_server_that_is_allowed_and_no_virtual_time_passes(app, host, permit):
    try:
        psycopg.connect(host=host, user="postgres", dbname="postgres").close()
    except psycopg.OperationalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL at {host}:5432 for user postgres: {str(error).splitlines()[0]}")

    @app.task(name="ask", shared=False)
    def ask():
        with psycopg.connect(host=host, user="postgres", dbname="postgres") as connection:
            return connection.execute("SELECT pg_sleep(0.2), 42").fetchone()[1]

    with Simulation(allow=permit) as sim:
        sim.start_worker(app)
        assert ask.delay().get() == 42
        assert sim.elapsed.total_seconds() == 0


REFUSED = """\
a task connects to a real database: PostgreSQL at 127.0.0.1:5432
  at test_drivers.py:62: return psycopg.connect("host=127.0.0.1 dbname=shop user=postgres")
  If the real one is meant: sim.allow("127.0.0.1:5432") in a test, `database: real` in a scenario, or allow under \
[tool.retrysim] in pyproject.toml"""


def test_psycopg_is_refused_and_told_what_allows_it(app, monkeypatch):
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == "django"]:
        monkeypatch.delitem(sys.modules, name)  # another test of this process may have imported it

    @app.task(name="connect", shared=False)
    def connect():
        return psycopg.connect("host=127.0.0.1 dbname=shop user=postgres")

    with Simulation() as sim:
        sim.start_worker(app)
        with pytest.raises(RealDatabase) as told:
            connect.delay().get()
    assert str(told.value) == REFUSED


def test_a_driver_that_is_python_is_told_how_its_server_is_allowed(app):
    import socket

    @app.task(name="connect", shared=False)
    def connect():
        socket.create_connection(("127.0.0.1", 3306))  # as a driver does that nobody knows

    with Simulation() as sim:
        sim.start_worker(app)
        with pytest.raises(UnservedHost, match=r'or let it be real: sim\.allow\("127\.0\.0\.1:3306"\)'):
            connect.delay().get()
