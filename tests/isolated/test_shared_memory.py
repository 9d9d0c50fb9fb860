"""A run says once that pool processes share state that they would not share in production, and nothing else."""

from __future__ import annotations

import importlib
import sys
from itertools import count
from textwrap import dedent

import pytest
from celery import Celery

import retrysim
from retrysim.errors import Violation
from retrysim.invariants import no_task_fails

HEAD = """
import collections, dataclasses, datetime, enum, functools, re, threading, time
from celery import Celery

app = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
"""
NUMBERS = count(1)


@pytest.fixture
def module_of(tmp_path, monkeypatch):
    """Saves a text as a module of a project, and imports it."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(text, name="shop"):
        full = f"{name}_{next(NUMBERS)}"
        (tmp_path / f"{full}.py").write_text(HEAD + dedent(text))
        importlib.invalidate_caches()
        module = importlib.import_module(full)
        monkeypatch.setitem(sys.modules, full, module)
        return module

    return make


def notes_of(module, *, times=3, **worker):
    worker.setdefault("concurrency", 2)
    with retrysim.Simulation() as sim:
        sim.start_worker(module.app, **worker)
        for number in range(times):
            module.work.delay(number)
        sim.run()
        return sim.notes


def note(module, name, processes=2):
    return (
        f"{processes} pool processes share the state of {module.__name__}.{name}, which task {module.__name__}.work "
        "changed; in production each has its own: start the worker with isolated=True"
    )


STATE = {
    "a counter": ("calls", "calls = 0\n@app.task\ndef work(n):\n    global calls\n    calls += 1\n"),
    "a cache": (
        "cache",
        "cache = {}\n@app.task\ndef work(n):\n    if n not in cache:\n        cache[n] = {'price': [1]}\n    return cache[n]\n",
    ),
    "a set of what was done": (
        "done",
        "done = set()\n@app.task\ndef work(n):\n    if n not in done:\n        done.add(n)\n",
    ),
    "a list that forgets": (
        "calls",
        "calls = [1]\n@app.task\ndef work(n):\n    if calls:\n        calls.pop()\n",
    ),
    "the calls of the last minute, in a function": (
        "calls",
        """
        calls = collections.deque()
        def take():
            calls.append(time.monotonic())
            return len(calls) < 99
        @app.task
        def work(n):
            take()
        """,
    ),
    "a limiter of the project": (
        "limiter",
        """
        class Limiter:
            def __init__(self):
                self.lock = threading.Lock()
                self.last = datetime.datetime(2020, 1, 1)
            def take(self):
                with self.lock:
                    self.last += datetime.timedelta(seconds=1)
        limiter = Limiter()
        @app.task
        def work(n):
            limiter.take()
        """,
    ),
    "slots": (
        "limiter",
        """
        class Limiter:
            __slots__ = ("left",)
            def take(self):
                self.left -= 1
        limiter = Limiter()
        limiter.left = 9
        @app.task
        def work(n):
            limiter.take()
        """,
    ),
    "a state": (
        "breaker",
        """
        class State(enum.Enum):
            CLOSED, OPEN = range(2)
        @dataclasses.dataclass
        class Breaker:
            state: State = State.CLOSED
        breaker = Breaker()
        @app.task
        def work(n):
            if breaker.state is State.CLOSED:
                breaker.state = State.OPEN
        """,
    ),
    "a class": (
        "Limiter",
        """
        class Limiter:
            calls = 0
            @classmethod
            def take(cls):
                cls.calls += 1
        @app.task
        def work(n):
            Limiter.take()
        """,
    ),
    "the project's own decorator": (
        "limited.<locals>.call",
        """
        def limited(function):
            calls = 0
            def call(n):
                nonlocal calls
                calls += 1
                return function(n)
            return call
        fetch = limited(abs)
        @app.task
        def work(n):
            fetch(n)
        """,
    ),
    "a default": ("work", "@app.task\ndef work(n, memo={}):\n    memo[n] = n\n    return memo\n"),
    "the class of a task": (
        "Base",
        """
        class Base(app.Task):
            calls = 0
        @app.task(base=Base, bind=True)
        def work(self, n):
            Base.calls += 1
        """,
    ),
    "what a task imports in its body": (
        "cache",
        "cache = {}\n@app.task\ndef work(n):\n    import sys\n    import importlib\n    return later(n)\n"
        "def later(n):\n    if n not in cache:\n        cache[n] = 1\n",
    ),
    "a name that is put together": (
        "calls_shop",
        "calls_shop = 1\n@app.task\ndef work(n, of='shop'):\n    globals()[f'calls_{of}'] += 1\n",
    ),
    "a name that is given to setattr": (
        "calls_shop",
        """
        import sys
        here, calls_shop = sys.modules[__name__], 1
        @app.task
        def work(n, name="calls_shop"):
            setattr(here, name, getattr(here, name) + 1)
        """,
    ),
    "a name in the dict of a module": (
        "calls_shop",
        """
        import sys
        calls_shop = 1
        @app.task
        def work(n, name="calls_shop"):
            calls = vars(sys.modules[__name__])[name]
            setattr(sys.modules[__name__], name, calls + 1)
        """,
    ),
    "ratelimit": ("work", "from ratelimit import limits\n@app.task\n@limits(9, 60)\ndef work(n):\n    pass\n"),
    "pyrate-limiter": (
        "limiter",
        """
        from pyrate_limiter import InMemoryBucket, Limiter, Rate
        from pyrate_limiter.limiter import SingleBucketFactory
        limiter = Limiter(SingleBucketFactory(InMemoryBucket([Rate(9, 60_000)]), schedule_leak=False))
        @app.task
        def work(n):
            limiter.try_acquire("call", blocking=False)
        """,
    ),
    "pybreaker": (
        "breaker",
        """
        import pybreaker
        breaker = pybreaker.CircuitBreaker(fail_max=9)
        def down():
            raise ConnectionError
        @app.task
        def work(n):
            try:
                breaker.call(down)
            except ConnectionError:
                pass
        """,
    ),
    "cachetools": (
        "rates",
        "import cachetools\nrates = cachetools.TTLCache(9, 600)\n@app.task\ndef work(n):\n    rates[n] = 1.0\n    len(rates)\n",
    ),
    "a decorator of cachetools": (
        "rate",
        """
        import cachetools
        @cachetools.cached({})
        def rate(n):
            return n
        @app.task
        def work(n):
            return rate(n)
        """,
    ),
}

NO_STATE = {
    "a list to which the task only appends": (
        "seen, at = [], {}\n@app.task\ndef work(n):\n    seen.append(n)\n    at[n] = time.time()\n"
    ),
    "functions that are found by a name that is put together": (
        """
        seen, results = [], {}
        def handle_shop(n):
            seen.append(n)
        @app.task
        def work(n):
            results[n] = globals()["handle_" + "shop"](n)
        """
    ),
    "a name that is put together, under which nothing is read": (
        "last_shop = 1\n@app.task\ndef work(n, of='shop'):\n    globals()[f'last_{of}'] = n\n"
    ),
    "names under which something is made when it is needed": (
        "@app.task\ndef work(n):\n    globals().setdefault(f'made_{n}', n)\n    return globals()[f'made_{n}']\n"
    ),
    "clients that are made when they are needed": (
        """
        import requests
        session, clients, ready = None, {}, False
        @app.task
        def work(n):
            global session, ready
            if session is None:
                session = requests.Session()
            if not ready:
                ready = True
            clients.setdefault(n, requests.Session())
            return len(clients)
        """
    ),
    "what a client counts and keeps": (
        """
        import requests, logging
        session = requests.Session()
        logger = logging.getLogger("of_a_client_that_counts")
        @app.task
        def work(n):
            session.headers["n"] = str(n)
            session.cookies.set("n", str(n))
            logger.setLevel(n)
        """
    ),
    "a client of the project": (
        """
        import requests
        class Client(requests.Session):
            @functools.cached_property
            def base(self):
                return "https://shop.example"
            def call(self):
                self.max_redirects
                return self.base
        client = Client()
        @app.task
        def work(n):
            client.call()
        """
    ),
    "compiled patterns and pure functions": (
        """
        patterns = {}
        @functools.lru_cache
        def square(n):
            return n * n
        @app.task
        def work(n):
            patterns.setdefault(n, re.compile(str(n)))
            return square(n), len(patterns)
        """
    ),
    "what is put back": (
        """
        depth = 0
        @app.task
        def work(n):
            global depth
            depth += 1
            depth -= 1
        """
    ),
    "a breaker that stays closed": (
        "import pybreaker\nbreaker = pybreaker.CircuitBreaker(fail_max=9)\n@app.task\ndef work(n):\n    breaker.call(abs, n)\n"
    ),
    "a cache of clients": (
        "import cachetools, requests\nclients = cachetools.LRUCache(9)\n@app.task\ndef work(n):\n"
        "    clients[n] = requests.Session()\n    len(clients)\n"
    ),
    "statistics of tenacity": (
        "import tenacity\n@app.task\n@tenacity.retry\ndef work(n):\n    work.request.id\n    return n\n"
    ),
    "an engine of SQLAlchemy": (
        "import sqlalchemy\nengine = sqlalchemy.create_engine('sqlite://')\n@app.task\ndef work(n):\n    engine.dispose()\n"
    ),
    "questions that an object would answer": (
        """
        class Lazy:
            def __getattr__(self, name):
                raise AssertionError(name)
            __eq__ = __hash__ = __len__ = __iter__ = __bool__ = __getattr__
            @property
            def broken(self):
                raise AssertionError
        lazy = Lazy()
        kept = {"lazy": lazy}
        @app.task
        def work(n):
            return lazy is kept["lazy"] or lazy.broken
        """
    ),
}


@pytest.mark.parametrize("what", STATE)
def test_state_that_a_task_changes_is_noted_once(module_of, what):
    for library in ("ratelimit", "pyrate_limiter", "pybreaker", "cachetools"):
        if library in STATE[what][1]:
            pytest.importorskip(library)
    name, text = STATE[what]
    module = module_of(text)

    assert notes_of(module) == [note(module, name)]


@pytest.mark.parametrize("what", NO_STATE)
def test_what_is_no_state_of_a_process_is_not_noted(module_of, what):
    for library in ("cachetools", "pybreaker", "requests", "tenacity", "sqlalchemy"):
        if library in NO_STATE[what]:
            pytest.importorskip(library)

    assert notes_of(module_of(NO_STATE[what])) == []


COUNTER = STATE["a counter"][1]


@pytest.mark.parametrize("found", ["importlib.import_module({!r})", "sys.modules[{!r}]"])
def test_state_of_a_module_that_a_task_finds_by_its_name_is_noted(module_of, found):
    limits = module_of("left = 9\n", name="limits")
    module = module_of(
        f"import importlib, sys\n@app.task\ndef work(n):\n    {found.format(limits.__name__)}.left -= 1\n"
    )

    assert notes_of(module) == [note(module, "left").replace(f"{module.__name__}.left", f"{limits.__name__}.left")]


@pytest.mark.parametrize("worker", [{"concurrency": 1}, {"isolated": True}, {"pool": "threads"}])
def test_one_process_shares_nothing(module_of, worker):
    assert notes_of(module_of(COUNTER), **worker) == []


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_two_workers_share_state(module_of, pool):
    module = module_of(COUNTER + "    time.sleep(1)\n")
    with retrysim.Simulation() as sim:
        for _ in range(2):
            sim.start_worker(module.app, pool=pool)
        for number in range(6):
            module.work.delay(number)
        sim.run()
        noted = note(module, "calls")
        if pool != "prefork":
            noted = noted.replace("pool processes", "processes")
            noted = noted.replace("the worker with isolated=True", "the workers with pool='prefork' and isolated=True")
        assert sim.notes == [noted]


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_two_workers_share_no_state_that_only_one_of_them_reaches(module_of, pool):
    module = module_of(COUNTER + "@app.task\ndef other(n):\n    time.sleep(1)\n")
    with retrysim.Simulation() as sim:
        sim.start_worker(module.app, pool=pool, queues=["celery"])
        sim.start_worker(module.app, pool=pool, queues=["others"])
        for number in range(6):
            module.other.apply_async((number,), queue="others")
            module.work.delay(number)
        sim.run()
        assert sim.notes == []


def test_what_the_test_changes_between_two_runs_is_not_noted(module_of):
    module = module_of("limit = 1\n@app.task\ndef work(n):\n    time.sleep(2)\n    return limit\n")
    with retrysim.Simulation() as sim:
        sim.start_worker(module.app, concurrency=2)
        for number in range(9):
            module.work.delay(number)
            sim.run_for(1)
            module.limit += 1
        sim.run()
        assert sim.notes == []


def test_a_change_in_a_later_task_is_noted(module_of):
    module = module_of("tripped = 0\n@app.task\ndef work(n):\n    global tripped\n    tripped += n > 50\n")
    assert notes_of(module, times=60) == [note(module, "tripped")]


@pytest.mark.parametrize("text", [COUNTER, STATE["a cache"][1], STATE["a limiter of the project"][1]])
def test_what_lives_in_a_test_module_is_not_noted(module_of, text):
    assert notes_of(module_of(text, name="test_shop")) == []


def test_a_variable_of_the_test_is_not_noted():
    app, calls = Celery("here", broker="memory://", set_as_current=False), {"n": 0}

    @app.task(shared=False)
    def work():
        calls["n"] += 1

    with retrysim.Simulation() as sim:
        sim.start_worker(app, concurrency=2)
        for _ in range(3):
            work.delay()
        sim.run()
        assert sim.notes == []
    assert calls == {"n": 3}


def test_a_failure_shows_the_note(module_of):
    module = module_of(COUNTER + "    assert calls < 2\n")
    with retrysim.Simulation() as sim:
        sim.start_worker(module.app, concurrency=2)
        for number in range(3):
            module.work.delay(number)
        sim.run()
        with pytest.raises(Violation) as failed:
            sim.check(no_task_fails)
    assert f"note: {note(module, 'calls')}" in str(failed.value)


def test_the_memory_of_a_task_is_looked_at_a_few_times_only(module_of, monkeypatch):
    from retrysim.celery import shared_memory

    looks, look = [], shared_memory.memory_of
    monkeypatch.setattr(shared_memory, "memory_of", lambda task: looks.append(task) or look(task))
    module = module_of(COUNTER)

    notes_of(module, times=600)

    assert len(looks) == 6  # before and after the first; after the 8th, the 64th, the 512th; at the end of the run
