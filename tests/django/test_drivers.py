"""A database's driver inside a task, without Django: its socket is real, and let through or named."""

import os

import pytest
from celery import Celery

from retrysim import Simulation
from retrysim.errors import UnservedHost

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")


@pytest.fixture
def app():
    return Celery("drivers", broker="memory://", backend="cache+memory://", set_as_current=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_psycopg_reaches_its_server_and_no_virtual_time_passes(app, host):
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

    with Simulation() as sim:
        sim.start_worker(app)
        assert ask.delay().get() == 42
        assert sim.elapsed.total_seconds() == 0


def test_a_driver_that_is_python_is_told_how_its_server_is_allowed(app):
    import socket

    @app.task(name="connect", shared=False)
    def connect():
        socket.create_connection(("127.0.0.1", 3306))  # as PyMySQL does

    with Simulation() as sim:
        sim.start_worker(app)
        with pytest.raises(UnservedHost, match=r'or let it be real: sim\.allow\("127\.0\.0\.1:3306"\)'):
            connect.delay().get()


def test_what_djangos_settings_name_is_allowed(tmp_path, monkeypatch):
    """In an interpreter of its own: Django is configured once."""
    import subprocess
    import sys

    script = tmp_path / "named.py"
    script.write_text("""
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.mysql", "HOST": "127.0.0.1", "PORT": 1}})
import socket
import django.db
from celery import Celery
from retrysim import Simulation
app = Celery("named", broker="memory://", backend="cache+memory://")

@app.task(name="connect")
def connect():
    socket.create_connection(("127.0.0.1", 1))

with Simulation() as sim:
    sim.start_worker(app)
    result = connect.delay()
    sim.run()
    print(type(result.result).__name__)
""")
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)

    assert ended.stdout.strip() == "ConnectionRefusedError", ended.stderr
