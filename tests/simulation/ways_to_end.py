"""Simulations that end in every way, for those who count what is left of them; ``judges/memory.py`` plays them, too."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager, suppress

import aiohttp
import httplib2
import httpx
import redis
import requests
import urllib3
from celery import Celery, chord

from retrysim import Deadlock, Limits, Runaway, Simulation
from retrysim.fakes import API

#: What code that must not run any more has said.
SAID: list[str] = []
URL = "https://api.example.com/x"


async def _aiohttp() -> None:
    async with aiohttp.ClientSession() as session, session.get(URL) as response:
        await response.read()


async def _async_httpx() -> None:
    async with httpx.AsyncClient() as client:
        await client.get(URL)


def _http_client() -> None:
    connection = http.client.HTTPSConnection("api.example.com")
    connection.request("GET", "/x")
    connection.getresponse().read()


CLIENTS: dict[str, Callable[[], object]] = {
    "requests": lambda: requests.get(URL, timeout=5),
    "requests.Session": lambda: requests.Session().get(URL, timeout=5),
    "httpx": lambda: httpx.get(URL),
    "httpx.AsyncClient": lambda: asyncio.run(_async_httpx()),
    "urllib": lambda: urllib.request.urlopen(URL).read(),
    "urllib3": lambda: urllib3.PoolManager().request("GET", URL),
    "aiohttp": lambda: asyncio.run(_aiohttp()),
    "http.client": _http_client,
    "httplib2": lambda: httplib2.Http().request(URL),
}


@contextmanager
def _saying():
    try:
        yield
    finally:
        SAID.append("the end of a context manager")


async def _says():
    try:
        await asyncio.sleep(100)
    finally:
        SAID.append("the end of a coroutine")


async def _two_say():
    await asyncio.gather(_says(), _says())


def make_app() -> Celery:
    """An app whose tasks end in all the ways that are played here."""
    app = Celery("ways", broker="redis://nobody.example/0", backend="redis://nobody.example/1", set_as_current=False)

    @app.task(name="retries", bind=True, shared=False)
    def retries(self):
        if self.request.retries < 2:
            raise self.retry(countdown=5)

    @app.task(name="fails", shared=False)
    def fails():
        raise ValueError("no")

    @app.task(name="sleeps", shared=False)
    def sleeps():
        large = bytearray(10_000)
        with _saying():
            for _ in (one for one in large):
                try:
                    time.sleep(100)
                finally:
                    SAID.append("a finally block")

    @app.task(name="awaits", shared=False)
    def awaits():
        asyncio.run(_two_say())

    @app.task(name="waits for ever", shared=False)
    def waits_for_ever():
        threading.Event().wait()

    @app.task(name="circles", bind=True, shared=False, max_retries=None)
    def circles(self):
        raise self.retry(countdown=0)

    @app.task(name="starts a thread", shared=False)
    def starts_a_thread(seconds):
        threading.Thread(target=time.sleep, args=(seconds,)).start()

    @app.task(name="calls", shared=False)
    def calls(client):
        CLIENTS[client]()

    return app


_APP = make_app()


def _run(task: str, *args: object) -> Callable[[Simulation], None]:
    def play(sim: Simulation) -> None:
        sim.start_worker(_APP)
        _APP.tasks[task].delay(*args)
        sim.run()

    return play


def _while_it_runs(task: str, act: Callable[[Simulation], object], *args: object) -> Callable[[Simulation], None]:
    def play(sim: Simulation) -> None:
        sim.start_worker(_APP)
        _APP.tasks[task].delay(*args)
        sim.run_for(5)
        act(sim)

    return play


def _pool(pool: str) -> Callable[[Simulation], None]:
    def play(sim: Simulation) -> None:
        sim.start_worker(_APP, pool=pool)
        _APP.tasks["retries"].delay()
        sim.run()

    return play


def _client(name: str) -> Callable[[Simulation], None]:
    def play(sim: Simulation) -> None:
        sim.serve(API("https://api.example.com", limit="1 per minute", per="all"))
        _run("calls", name)(sim)

    return play


def _new_app(sim: Simulation) -> None:
    app = make_app()
    sim.start_worker(app)
    app.tasks["retries"].delay()
    sim.run()


def _eager(sim: Simulation) -> None:
    sim.run_eagerly(_APP)
    _APP.tasks["retries"].delay()
    sim.run()


def _beat(sim: Simulation) -> None:
    sim.start_worker(_APP)
    sim.start_beat(_APP)
    sim.run_for("5 minutes")


def _program(sim: Simulation) -> None:
    sim.start_worker(_APP)
    sim.start_program(time.sleep, 1000)
    sim.run_for(3)


def _chord(sim: Simulation) -> None:
    sim.start_worker(_APP)
    retries = _APP.tasks["retries"]
    chord([retries.s(), retries.s()])(retries.si())
    sim.run()


def _get(sim: Simulation) -> None:
    sim.start_worker(_APP)
    _APP.tasks["retries"].delay().get()


def _lock(sim: Simulation) -> None:
    sim.start_worker(_APP)
    with redis.Redis().lock("a lock", timeout=10):
        sim.run_for(1)


def _hard_limit(sim: Simulation) -> None:
    sim.start_worker(_APP)
    _APP.tasks["sleeps"].apply_async(time_limit=3)
    sim.run()


def _interrupt(_sim: Simulation) -> None:
    raise KeyboardInterrupt


def _fail(_sim: Simulation) -> None:
    raise ValueError("an error of the test's own")


def _until(sim: Simulation) -> None:
    sim.run(until=lambda: _fail(sim))  # type: ignore[arg-type, return-value]


#: What is played, by name.
WAYS: dict[str, Callable[[Simulation], None]] = {
    "nothing": lambda _sim: None,
    "retries": _run("retries"),
    "an error in a task": _run("fails"),
    "an error in the test": _while_it_runs("sleeps", _fail),
    "an error in a condition": _while_it_runs("sleeps", _until),
    "Ctrl-C": _while_it_runs("sleeps", _interrupt),
    "Deadlock": _run("waits for ever"),
    "Runaway": _run("circles"),
    "a body that is left": _while_it_runs("sleeps", lambda _sim: None),
    "a coroutine that is left": _while_it_runs("awaits", lambda _sim: None),
    "a thread that is left": _while_it_runs("starts a thread", lambda _sim: None, 1000),
    "a thread that ends": _run("starts a thread", 1),
    "a killed worker": _while_it_runs("sleeps", lambda sim: sim.workers[0].kill()),
    "a killed event loop": _while_it_runs("awaits", lambda sim: sim.workers[0].kill()),
    "a killed child": _while_it_runs("sleeps", lambda sim: sim.workers[0].kill_child()),
    "a cold shutdown": _while_it_runs("sleeps", lambda sim: sim.workers[0].quit()),
    "a hard time limit": _hard_limit,
    "a new app": _new_app,
    "eager": _eager,
    "beat": _beat,
    "a program": _program,
    "a chord": _chord,
    "get()": _get,
    "a lock in Redis": _lock,
    **{f"pool {pool}": _pool(pool) for pool in ("threads", "gevent", "solo")},
    **{f"client {name}": _client(name) for name in CLIENTS},
}


#: What the parent process ends by SIGTERM, which unwinds a child: it says so before it ends.
UNWOUND = ("a hard time limit", "a cold shutdown")


def play(way: str, broker: str) -> None:
    """One simulation, from its beginning to its end, whatever that is."""
    limits = Limits(steps_at_one_instant=300, attempts_per_task=20) if way == "Runaway" else None
    with (
        suppress(ValueError, KeyboardInterrupt, Deadlock, Runaway),
        Simulation(broker=broker, redis=way == "a lock in Redis", limits=limits) as sim,
    ):
        WAYS[way](sim)
    if way in UNWOUND:
        SAID.clear()
