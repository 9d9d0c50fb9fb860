"""No simulation opens a database that nobody allowed, whoever asks and whatever was open before."""

import os
import shelve
import sqlite3
import sys
import tempfile
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import psycopg
import psycopg2.extensions
import psycopg2.extras
import pytest
from celery import Celery
from celery.fixups.django import DjangoWorkerFixup

from retrysim import InputError, RealDatabase, Simulation
from retrysim.errors import UnservedHost
from retrysim.outside import Barrier, allow_in_the_project, nothing_real
from retrysim.outside.address import Address, file, server
from retrysim.outside.drivers import _libpq


@pytest.fixture
def app():
    return Celery("files", broker="memory://", backend="cache+memory://", set_as_current=False)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id)")
    connection.close()
    return path


def refused(connect):
    with pytest.raises(RealDatabase, match="connects to a real database: SQLite at sqlite:///"):
        connect()


def test_a_file_of_sqlite_is_refused_to_the_test_to_a_task_to_a_program_and_to_a_thread(app, path):
    def from_a_thread():
        raised = []
        thread = threading.Thread(target=lambda: raised.append(refused(lambda: sqlite3.connect(path))))
        thread.start()
        thread.join()
        assert raised

    @app.task(name="ask", shared=False)
    def ask():
        refused(lambda: sqlite3.connect(path))
        refused(lambda: sqlite3.connect(f"file:{path}?mode=rwc", uri=True))
        return "refused"

    with Simulation() as sim:
        refused(lambda: sqlite3.connect(path))
        from_a_thread()
        sim.start_worker(app)
        sim.start_program(lambda: refused(lambda: sqlite3.connect(path)))
        assert ask.delay().get() == "refused"


@pytest.mark.parametrize("permit", ["sqlite:///{path}", "{path}", "sqlite:///{path.parent}/", "database"])
def test_a_file_that_is_allowed_is_opened(path, permit):
    with Simulation(allow=permit.format(path=path)):
        connection = sqlite3.connect(path)
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("orders",)]
        connection.close()


def test_what_is_in_memory_or_made_meanwhile_in_the_temporary_folder_is_scratch():
    with Simulation():
        sqlite3.connect(":memory:").close()
        sqlite3.connect("file:shared?mode=memory&cache=shared", uri=True).close()
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder) / "scratch.db"
            sqlite3.connect(scratch).close()
            assert scratch.exists()


def test_a_shelf_is_a_file_like_any_other_whatever_it_is_made_of(tmp_path):
    with Simulation(), shelve.open(str(tmp_path / "state")) as shelf:
        shelf["revoked"] = ["a"]

        assert shelf["revoked"] == ["a"]


def test_after_a_simulation_sqlite_is_as_it_was(path):
    before = sqlite3.connect
    with Simulation():
        assert sqlite3.connect is not before
    assert sqlite3.connect is before
    assert sqlite3.dbapi2.connect is before
    sqlite3.connect(path).close()


def test_a_connection_that_is_made_by_its_class_is_refused_too(path):
    class Heir(sqlite3.Connection):
        pass

    with Simulation():
        refused(lambda: sqlite3.Connection(path))
        refused(lambda: Heir(path))
        assert sqlite3.Connection(":memory:").execute("SELECT 1").fetchone() == (1,)


#: A port on which nobody listens: who is not refused fails by another error.
DSN = "host=127.0.0.1 port=1 dbname=shop"


def by_its_class():
    psycopg2.extensions.connection(DSN)


def by_a_class_of_extras():
    psycopg2.extras.RealDictConnection(DSN)


def by_a_class_that_is_made_meanwhile():
    type("Own", (psycopg2.extensions.connection,), {})(DSN)


def by_libpq():
    psycopg.pq.PGconn.connect(DSN.encode())


def by_libpq_without_waiting():
    psycopg.pq.PGconn.connect_start(DSN.encode())


@pytest.mark.parametrize(
    "connect",
    [by_its_class, by_a_class_of_extras, by_a_class_that_is_made_meanwhile, by_libpq, by_libpq_without_waiting],
)
def test_a_class_in_c_connects_no_more_than_the_function_that_uses_it(connect):
    before = (psycopg2.extensions.connection, psycopg.pq.PGconn, psycopg2.extras.RealDictConnection.__init__)

    with Simulation(), pytest.raises(RealDatabase, match="connects to a real database: PostgreSQL"):
        connect()

    assert (psycopg2.extensions.connection, psycopg.pq.PGconn, psycopg2.extras.RealDictConnection.__init__) == before


def test_what_stands_for_a_class_in_c_has_its_instances_and_subclasses():
    real = psycopg2.extensions.connection
    made_before = psycopg2.extras.DictConnection.__new__(psycopg2.extras.DictConnection)

    with Simulation():
        stands_for = psycopg2.extensions.connection
        made_meanwhile = type("Own", (stands_for,), {})

        assert stands_for is not real
        assert isinstance(made_before, stands_for)
        assert issubclass(real, stands_for)
        assert issubclass(made_meanwhile, real)
        assert not isinstance(made_before, made_meanwhile)


def test_strictness_is_of_hosts_and_opens_no_database(path):
    with Simulation(strict=False):
        refused(lambda: sqlite3.connect(path))


def test_an_import_is_refused_what_it_was_not_allowed(path):
    with nothing_real(), pytest.raises(RealDatabase, match=r"^the import of the app connects to a real database"):
        sqlite3.connect(path)
    with nothing_real([f"sqlite:///{path}"]):
        sqlite3.connect(path).close()


def test_an_import_has_no_test_database_and_no_simulation_to_allow_it(path):
    with nothing_real(), pytest.raises(RealDatabase) as caught:
        sqlite3.connect(path)

    assert str(caught.value).splitlines()[2:] == [
        f'  If the real one is meant: allow = ["sqlite:///{path}"] under [tool.retrysim] in pyproject.toml'
    ]


def ask_the_database(*_):
    raise RealDatabase("the import of the app connects to a real database")


def test_a_query_in_the_ready_of_a_django_app_ends_the_import(monkeypatch):
    monkeypatch.setattr("django.core.checks.run_checks", lambda: None)
    worker = SimpleNamespace(django_setup=ask_the_database)

    with nothing_real(), pytest.raises(RealDatabase):
        DjangoWorkerFixup.validate_models(worker)


def test_a_query_in_a_system_check_of_django_is_left_out(monkeypatch):
    monkeypatch.setattr("django.core.checks.run_checks", ask_the_database)
    worker = SimpleNamespace(django_setup=lambda: None)

    with nothing_real():
        DjangoWorkerFixup.validate_models(worker)


def test_a_wrong_word_for_databases_says_what_there_is():
    with pytest.raises(InputError, match=r'^database=\'dev\': expected "test", "real" or None$'):
        Simulation(database="dev")


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        (((), {"host": "db", "port": 5433}), "db", 5433),
        ((("host='db' port=5433 dbname=shop",), {}), "db", 5433),
        (((b"postgresql://me@db:5433/shop",), {}), "db", 5433),
        (((), {"dsn": "dbname=shop"}), "localhost", 5432),
    ],
)
def test_the_address_in_what_libpq_is_given(given, host, port, monkeypatch):
    monkeypatch.delenv("PGHOST", raising=False)
    monkeypatch.delenv("PGPORT", raising=False)
    address = _libpq(*given)
    assert (address.host, address.port) == (host, port)


@pytest.mark.parametrize(
    ("permit", "address", "means"),
    [
        ("localhost:5432", server("PostgreSQL", "127.0.0.1", 5432), True),
        ("localhost", server("PostgreSQL", "::1", 5432), True),
        ("localhost:5433", server("PostgreSQL", "localhost", 5432), False),
        ("postgresql+psycopg2://me:secret@db/shop", server("PostgreSQL", "db", None, 5432), True),
        ("mysql://db", server("PostgreSQL", "db", None, 5432), False),
        ("sqlite:////data/", file("SQLite", "/data/shop.db"), True),
        ("sqlite:////data", file("SQLite", "/data/shop.db"), False),
        ("db", Address(kind="MySQL", host="other"), False),
    ],
)
def test_which_permit_means_which_address(permit, address, means):
    assert address.is_permitted_by(permit) is means


def test_a_driver_is_guarded_that_is_imported_later(monkeypatch, tmp_path):
    package = tmp_path / "pymysql"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "connections.py").write_text(
        "class Connection:\n"
        "    def __init__(self, host, port=0):\n"
        "        self.host, self.port = host, port or 3306\n"
        "        self.connect()\n"
        "    def connect(self, sock=None):\n"
        "        raise AssertionError('it connects')\n"
    )
    for name in [name for name in sys.modules if name.partition(".")[0] == "pymysql"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    with Simulation():
        from pymysql.connections import Connection

        with pytest.raises(RealDatabase, match="the test connects to a real database: MySQL at db:3306"):
            Connection("db")
    with pytest.raises(AssertionError, match="it connects"):
        Connection("db")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pymysql"]:
        del sys.modules[name]


class ConnectionOfADriver:
    """Of a driver that is not installed here: its module, its name and its arguments are the real one's."""

    def __init__(self, *args, **options):
        raise AssertionError("it connects")


def connects(*args, **options):
    raise AssertionError("it connects")


POOL = SimpleNamespace(dsn="tcps://pool.example:1522/orders")
NET = "(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=db)(PORT=1599)))"


@pytest.mark.parametrize(
    ("module", "name", "args", "options", "address"),
    [
        ("mariadb", "connect", (), {"host": "db"}, "MariaDB at db:3306"),
        ("mariadb.connections", "Connection", (), {"host": "db", "port": 3307}, "MariaDB at db:3307"),
        ("mariadb._mariadb", "connection", (), {"host": "db"}, "MariaDB at db:3306"),
        ("pymssql._mssql", "MSSQLConnection", ("db", "sa"), {}, "SQL Server at db:1433"),
        ("pymssql._mssql", "connect", (), {"server": "db"}, "SQL Server at db:1433"),
        ("pymssql._pymssql", "connect", (), {"server": "db", "port": 1434}, "SQL Server at db:1434"),
        ("pyodbc", "connect", (), {"server": "db", "driver": "{FreeTDS}"}, "ODBC at db"),
        ("oracledb", "connect", ("scott/tiger@db:1599/orders",), {}, "Oracle at db:1599"),
        ("oracledb", "connect_async", (), {"dsn": NET}, "Oracle at db:1599"),
        ("oracledb.connection", "Connection", ("db/orders",), {}, "Oracle at db:1521"),
        ("oracledb.connection", "Connection", (), {"pool": POOL}, "Oracle at pool.example:1522"),
        ("oracledb.connection", "AsyncConnection", (), {"host": "db", "port": 1523}, "Oracle at db:1523"),
        ("oracledb.pool", "ConnectionPool", (), {"dsn": "//db/orders"}, "Oracle at db:1521"),
        ("cx_Oracle", "connect", ("scott", "tiger", "db:1599/orders"), {}, "Oracle at db:1599"),
        ("cx_Oracle", "Connection", ("scott", "tiger", "db/orders"), {}, "Oracle at db:1521"),
    ],
)
def test_a_driver_is_refused_by_its_function_and_by_its_class(monkeypatch, module, name, args, options, address):
    imported, package = ModuleType(module), ModuleType(module.partition(".")[0])
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(sys.modules, module, imported)
    is_function = name in ("connect", "connect_async")
    setattr(imported, name, connects if is_function else type(name, (ConnectionOfADriver,), {}))

    with Simulation(), pytest.raises(RealDatabase) as caught:
        getattr(imported, name)(*args, **options)

    assert str(caught.value).splitlines()[0] == f"the test connects to a real database: {address}"
    with pytest.raises(AssertionError, match="it connects"):
        getattr(imported, name)(*args, **options)


def test_the_workers_of_a_suite_have_no_simulation_to_allow_it():
    barrier = Barrier(frozenset(), lambda: "a task", allow_in_the_project)
    for ask in (barrier.broker, barrier.redis, barrier.database):
        with pytest.raises((UnservedHost, RealDatabase)) as error:
            ask(server("redis", "db.invalid", 5432))

        assert str(error.value).endswith('allow = ["db.invalid:5432"] under [tool.retrysim] in pyproject.toml')
