"""No secret that can be known is in a trace, a page, a failure text or JSON; the page on secrets says which are."""

from __future__ import annotations

import json
import logging
import re
import stat
from pathlib import Path

import pytest
import requests
from celery import Celery
from celery.exceptions import Reject
from planted import PLANTED

from retrysim import Simulation
from retrysim.errors import InputError, InternalError
from retrysim.fakes import API
from retrysim.invariants.invariant import BrokenInvariant, Problem
from retrysim.outcomes.verdict import findings_text
from retrysim.reports import html_report, perfetto_report, svg_report, terminal_report, timeline
from retrysim.simulation import crash
from retrysim.trace import dump_ndjson
from retrysim.trace.secrets import Redactor, names_a_secret, without_addresses

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "secrets.md"
CRM = "https://crm.acme.io"


def make_app():
    app = Celery("secretive", broker="memory://", backend="cache+memory://")
    app.conf.crm_password = secret_in("setting")

    @app.task(acks_late=True)
    def say(one, secret=None, **arguments):
        planted = PLANTED[one]
        getattr(Planting, planted.place, lambda _: None)(planted)
        raise ValueError(planted.text or planted.secret)

    @app.task
    def give(one):
        return PLANTED[one].text

    @app.task(acks_late=True)
    def reject(one):
        raise Reject(PLANTED[one].text)

    return app


def secret_in(place):
    return next(one.secret for one in PLANTED if one.place == place)


class Planting:
    """How a task comes to a secret of each place."""

    @staticmethod
    def log(one):
        logging.getLogger("celery.worker.request").warning(one.text)

    @staticmethod
    def source(one):
        connect(password="hunter2-source")

    @staticmethod
    def path(one):
        requests.post(CRM + one.text, timeout=5)

    @staticmethod
    def header(one):
        requests.get(CRM, headers={one.name: one.secret}, timeout=5)

    @staticmethod
    def basic(one):
        requests.get(CRM, auth=("me", one.secret), timeout=5)

    @staticmethod
    def cookie(one):
        requests.get(CRM, cookies={one.name: one.secret}, timeout=5)

    @staticmethod
    def query(one):
        requests.get(CRM, params={one.name: one.secret}, timeout=5)

    @staticmethod
    def json(one):
        requests.post(CRM, json={one.name: one.secret}, timeout=5)

    @staticmethod
    def answer(one):
        requests.get("https://login.acme.io/token", timeout=5)


def connect(password):
    raise ValueError("no connection")


def submit(app, number, planted):
    task = {"result": "give", "reject": "reject"}.get(planted.place, "say")
    name = next(name for name in app.tasks if name.endswith(f".{task}"))
    arguments = {
        "argument": ([number], {planted.name: planted.secret}),
        "nested": ([number], {"options": {planted.name: planted.secret}}),
        "positional": ([number, planted.secret], {}),
    }
    args, kwargs = arguments.get(planted.place, ([number], {}))
    app.tasks[name].apply_async(args, kwargs)


@pytest.fixture(scope="module")
def everything():
    """All that is written of a run in which every secret was planted."""
    patch = pytest.MonkeyPatch()
    patch.setenv("CRM_API_KEY", "acme-environment-1")
    patch.setenv("DATABASE_URL", "postgresql://app:acme-environment-2@db.acme.io/app")
    app = make_app()
    with Simulation(redact=["acme-[0-9]{4}"]) as sim:
        sim.serve(API(CRM, per="all"))
        sim.serve(API("https://login.acme.io", per="all", answer={"access_token": secret_in("answer")}))
        sim.start_worker(app)
        for number, planted in enumerate(PLANTED):
            submit(app, number, planted)
        sim.run()
    patch.undo()
    assert len(sim.trace.tasks) == len(PLANTED)
    return written(sim.trace)


def written(trace):
    failed = [task for task in trace.tasks.values() if task.failure is not None]
    problems = tuple(Problem(text=task.failure.exception, task_id=task.task_id) for task in failed)
    texts = {
        "trace": dump_ndjson(trace),
        "page": html_report(trace, title="x", failure=""),
        "timeline": "\n".join(timeline(trace, each=True)),
        "figures": terminal_report(trace),
        "svg": svg_report(trace),
        "perfetto": perfetto_report(trace),
        "failure": findings_text(trace, [BrokenInvariant(invariant="no_task_fails", problems=problems)]),
    }
    return {name: text.replace("\\n", "\n") for name, text in texts.items()}


@pytest.mark.parametrize("one", PLANTED, ids=lambda one: f"{one.kind}-{one.place}")
def test_a_secret_is_hidden_wherever_it_can_be_known(everything, one):
    shown = [name for name, text in everything.items() if one.secret in text]

    assert bool(shown) is one.shown, shown


def test_the_page_on_secrets_says_what_becomes_of_each_kind():
    rows = [f"| {one.kind} | {one.place} | {'**shown**' if one.shown else 'hidden'} |" for one in PLANTED]

    assert len(PLANTED) == 60
    assert "\n".join(["| kind | planted in | |", "| --- | --- | --- |", *rows]) in PAGE.read_text(encoding="utf-8")


def test_words_around_a_secret_stay():
    redact = Redactor(lambda: [{"data": "token-1"}])
    redact.learn("password", "database-9")

    assert redact("database data, dataset; the database-9 and database-99") == (
        "database token-1, dataset; the *** and database-99"
    )


@pytest.mark.parametrize(
    "text",
    [
        "InvalidToken: the token is expired",
        "token verification failed",
        "Basic authentication is not enough",
        "max_tokens=100",
        "KeyError: 'token'",
        "amqp://guest:guest@localhost//",
        "{'user_id': 783214, 'task': 'proj.tasks.fetch', 'id': 'bdd640fb-0667-4ad1-9c80-317fa3b1799d'}",
        'File "/app/secrets.py", line 5, in get_token\n    token = get_token()',
    ],
)
def test_what_is_no_secret_is_shown(text):
    assert Redactor()(text) == text


@pytest.mark.parametrize("name", ["PASSWORD", "db_password", "X-Api-Key", "apiKey", "clientSecret", "AWS_SECRET_ACCESS_KEY",
                                  "STRIPE_KEY", "Authorization", "Cookie", "SENTRY_DSN", "refresh_token", "TOKEN_2"])  # fmt: skip
def test_a_name_tells_a_secret(name):
    assert names_a_secret(name)


@pytest.mark.parametrize("name", ["key", "cache_key", "routing_key", "max_tokens_per_day", "author", "passenger", "tokenizer",
                                  "AUTH_USER_MODEL", "SESSION_COOKIE_NAME", "keyboard"])  # fmt: skip
def test_a_name_that_only_looks_like_one_tells_none(name):
    assert not names_a_secret(name)


def test_the_folder_of_a_shell_is_no_password():
    redact = Redactor()
    redact.learn_environment({"PWD": "/home/ada/shop", "OLDPWD": "/home/ada/crm", "DB_PWD": "correct-horse"})

    text = 'File "/home/ada/shop/tasks.py", "/home/ada/crm", correct-horse'
    assert redact(text) == 'File "/home/ada/shop/tasks.py", "/home/ada/crm", ***'


def test_a_secret_is_found_in_a_repr_in_json_and_in_a_url():
    redact = Redactor()
    redact.learn("password", "p@ss 'w\\rd")

    assert [redact(text) for text in (repr("p@ss 'w\\rd"), json.dumps("p@ss 'w\\rd"), "p%40ss+%27w%5Crd")] == [
        '"***"', '"***"', "***",
    ]  # fmt: skip


def test_a_pattern_that_is_none_is_told():
    with pytest.raises(InputError) as caught:
        Simulation(redact=["("])

    assert str(caught.value) == (
        "redact: '(' is not a regular expression: missing ), unterminated subpattern at position 0"
    )


def test_addresses_of_objects_do_not_make_traces_differ():
    def exception_of():
        app = Celery("addresses", broker="memory://")

        @app.task
        def fail():
            raise ValueError(f"{object()} is no number")

        with Simulation() as sim:
            sim.start_worker(app)
            fail.delay()
            sim.run()
        return sim.tasks()[0].failure.exception

    assert exception_of() == "ValueError: <object object at 0x...> is no number"
    assert without_addresses("flags 0x1f at 0x7f1bdc0a2e90") == "flags 0x1f at 0x..."


def test_a_crash_file_is_readable_by_its_owner_only(everything, monkeypatch):
    monkeypatch.setattr(crash, "_is_ours", lambda _error: True)
    with Simulation() as sim, pytest.raises(InternalError) as error, crash.explained_bugs(sim.trace):
        raise ValueError("Bearer mF_9.B5f-4.1JqM")

    message = str(error.value)
    file = Path(re.search(r"is in (\S+);", message)[1])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "mF_9" not in message
    file.unlink()
