"""Database drivers for asyncio open no connection, in a task or in the test."""

from __future__ import annotations

import asyncio

import pytest
from celery import Celery

from retrysim import Simulation
from retrysim.errors import RealDatabase

#: Nobody listens on port 1: whoever is not refused fails by another error.
CONNECT = {
    "asyncpg": lambda asyncpg, _: asyncpg.connect("postgresql://me@127.0.0.1:1/shop"),
    "aiomysql": lambda aiomysql, _: aiomysql.connect(host="127.0.0.1", port=1, user="me", db="shop"),
    "aiosqlite": lambda aiosqlite, path: aiosqlite.connect(path),
    "psycopg": lambda psycopg, _: psycopg.AsyncConnection.connect("host=127.0.0.1 port=1 dbname=shop"),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # aiosqlite's, refused or not
@pytest.mark.parametrize("driver", CONNECT)
def test_a_driver_for_asyncio_is_refused_a_database(sdk, driver, tmp_path):
    module, path = sdk(driver), tmp_path / "shop.db"

    async def connect():
        await CONNECT[driver](module, path)

    app = Celery("shop", broker="memory://", set_as_current=False)

    @app.task(shared=False)
    def ask():
        with pytest.raises(RealDatabase, match="connects to a real database"):
            asyncio.run(connect())
        return "refused"

    with Simulation() as sim:
        with pytest.raises(RealDatabase, match="the test connects to a real database"):
            asyncio.run(connect())
        sim.start_worker(app)
        ask.delay()
        sim.run()

        assert sim.states == {"SUCCESS": 1}
    assert not path.exists()
