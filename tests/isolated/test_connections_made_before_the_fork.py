"""Connections to a real PostgreSQL that were open before the fork: the pool processes share them, as in production."""

from __future__ import annotations

import os
import time

import pytest
from celery import Celery

import retrysim

psycopg = pytest.importorskip("psycopg")
sqlalchemy = pytest.importorskip("sqlalchemy")

PLACE = {"host": "127.0.0.1", "user": "postgres", "dbname": "postgres"}
WHO = "SELECT pg_backend_pid()"


@pytest.fixture
def connection():
    try:
        made = psycopg.connect(**PLACE)
    except psycopg.OperationalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL at 127.0.0.1:5432 for user postgres: {str(error).splitlines()[0]}")
    yield made
    made.close()


@pytest.fixture
def engine(connection):
    made = sqlalchemy.create_engine("postgresql+psycopg://", connect_args=PLACE)
    yield made
    made.dispose()


def results_of(*bodies):
    """What tasks return that begin a second apart, each in a pool process of its own."""
    app = Celery("fork", broker="memory://", backend="cache+memory://", set_as_current=False)

    @app.task(shared=False)
    def call(number):
        time.sleep(number)
        return os.getpid(), bodies[number]()

    with retrysim.Simulation(database="real") as sim:
        sim.start_worker(app, concurrency=len(bodies), isolated=True)
        results = [call.delay(number) for number in range(len(bodies))]
        sim.run()
        told = [result.get(propagate=False) for result in results]
    assert len({pid for pid, _ in told}) == len(bodies)
    return [value for _, value in told]


def test_two_processes_speak_to_the_same_backend_over_one_connection(connection):
    own = connection.execute(WHO).fetchone()[0]
    connection.commit()

    def who():
        return connection.execute(WHO).fetchone()[0]

    assert results_of(who, who) == [own, own]


def test_one_process_commits_what_the_other_rolls_back(connection):
    connection.execute("CREATE TEMPORARY TABLE orders (number int)")
    connection.commit()

    def place_and_give_up():
        connection.execute("INSERT INTO orders VALUES (1)")
        time.sleep(2)
        connection.rollback()

    def place():
        connection.execute("INSERT INTO orders VALUES (2)")
        connection.commit()

    results_of(place_and_give_up, place)

    assert connection.execute("SELECT number FROM orders ORDER BY number").fetchall() == [(1,), (2,)]


def test_a_connection_that_one_process_closes_is_closed_for_the_other(connection):
    def ask():
        try:
            connection.execute(WHO)
        except psycopg.OperationalError as error:
            return type(error).__name__

    assert results_of(connection.close, ask) == [None, "OperationalError"]


def who_in(engine):
    with engine.connect() as checked_out:
        return checked_out.scalar(sqlalchemy.text(WHO))


def test_two_processes_take_the_same_connection_from_their_copies_of_a_pool(engine):
    own = who_in(engine)

    def who():
        return who_in(engine)

    assert results_of(who, who) == [own, own]


def test_a_pool_that_each_process_disposes_of_shares_nothing(engine):
    own = who_in(engine)

    def who():
        engine.dispose(close=False)
        return who_in(engine)

    first, second = results_of(who, who)
    assert len({own, first, second}) == 3
    assert who_in(engine) == own
