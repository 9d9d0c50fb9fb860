"""A Django project with pytest-django, on each kind of database: the checks in ``project/checks``, each in real pytest.

They are a pytest run of their own: pytest-django needs the project's settings before it collects anything.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def postgresql():
    """The server on this machine; skips where there is none."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    try:
        connection = psycopg.connect(host="127.0.0.1", user="postgres", dbname="postgres", autocommit=True)
    except psycopg.OperationalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL at 127.0.0.1:5432 for user postgres: {str(error).splitlines()[0]}")
    connection.close()


@pytest.fixture
def check(tmp_path):
    """Runs one file of checks on a database; gives the last line of pytest."""
    project = tmp_path / "project"
    shutil.copytree(HERE / "project", project)

    def run(file, database, *options, **variables):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--create-db", *options]
        environment = {**os.environ, "SHOP_DATABASE": database, **variables}
        environment["PYTEST_ADDOPTS"] = "-p no:hypothesispytest -p no:anyio"  # they take long to import
        ended = subprocess.run(
            [*command, f"checks/{file}"], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout.splitlines()[-1]

    return run


@pytest.mark.parametrize("file", ["check_own_connections.py", "check_the_tests_transaction.py", "check_isolated.py"])
@pytest.mark.parametrize("database", ["memory", "file"])
def test_sqlite(check, file, database):
    assert "passed" in check(file, database)


@pytest.mark.parametrize("file", ["check_own_connections.py", "check_the_tests_transaction.py"])
def test_postgresql(check, file, postgresql):
    assert "passed" in check(file, "postgresql")


def test_the_tests_transaction_with_kombus_memory_transport(check):
    assert "passed" in check("check_the_tests_transaction.py", "memory", SHOP_BROKER="amqp://broker.acme")


def test_locks_and_caches_in_the_simulated_redis(check):
    assert "passed" in check("check_redis.py", "memory")


def test_results_in_djangos_tables(check):
    pytest.importorskip("django_celery_results", reason="django-celery-results is not installed")
    assert "4 passed" in check("check_results_in_tables.py", "memory", SHOP_RESULTS="django-db")


#: Written by the test that plays it: a file of this name would be an item of this suite, too.
COUNTED = """\
name: the orders are counted
app: shop
database: test
submit: [{task: count}]
expect: {states: {SUCCESS: 1}}
"""


def test_a_scenario_finds_the_rows_of_post_migrate_numbered_as_a_test_before_it_left_them(check, tmp_path):
    """A test with ``transactional_db`` flushes them, and Django makes them anew with the next numbers."""
    test = "check_own_connections.py::test_what_the_test_committed_a_task_sees_and_the_other_way_round"

    (tmp_path / "project/count.scenario.yaml").write_text(COUNTED)

    said = check(test, "memory", "count.scenario.yaml", SHOP_APPS="django.contrib.contenttypes")

    assert "2 passed" in said


TWICE = """\
name: the orders are counted twice
app: shop
database: test
setup: twice:play_it_again
submit: [{task: count}]
expect: {states: {SUCCESS: 1}, results: 1}
"""
#: Sets up two rows, and before that, in another process, plays the scenario with one.
PLAYS_IT_AGAIN = """\
import os
import subprocess
import sys

from orders.models import Order


def play_it_again():
    Order.objects.create()
    if "AGAIN" not in os.environ:
        command = [sys.executable, "-m", "retrysim", "run", "twice.scenario.yaml"]
        again = subprocess.run(command, env={**os.environ, "AGAIN": "1"}, capture_output=True, text=True)
        assert not again.returncode, again.stdout + again.stderr
"""


@pytest.mark.parametrize("database", ["file", "postgresql"])
def test_two_processes_that_make_test_databases_at_once_have_their_own(tmp_path, request, database):
    if database == "postgresql":
        request.getfixturevalue("postgresql")
    project = tmp_path / "project"
    shutil.copytree(HERE / "project", project)
    (project / "twice.scenario.yaml").write_text(TWICE)
    (project / "twice.py").write_text(PLAYS_IT_AGAIN)
    name = f"test_retrysim_twice_{os.getpid()}"
    variables = {"SHOP_DATABASE": database, "SHOP_TEST_NAME": name, "DJANGO_SETTINGS_MODULE": "shop.settings"}

    ended = subprocess.run(
        [sys.executable, "-m", "retrysim", "run", "twice.scenario.yaml"],
        cwd=project, env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert _databases_named_like(name, project, database) == []


def _databases_named_like(name, project, database):
    if database == "file":
        return [*project.glob("test_shop*")]
    import psycopg

    with psycopg.connect(host="127.0.0.1", user="postgres", dbname="postgres") as connection:
        return connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{name}%"]).fetchall()
