"""``retrysim audit``: the table, its other forms, and the line that CI holds."""

from __future__ import annotations

import json
import os
import sys
from xml.etree import ElementTree

import pytest
from celery import _state

from retrysim.celery import imports

APP = """\
from celery import Celery

print("hello from the app")
app = Celery("shop", broker="redis://nowhere.invalid/0")


@app.task(autoretry_for=(OSError,), max_retries=5)
def sync_stock(shop_id): ...


@app.task(autoretry_for=(OSError,), retry_backoff=60, retry_jitter=False)
def push_order(order_id): ...


@app.task(bind=True)
def send_mail(self, to):
    raise self.retry(countdown=to.patience)


@app.task
def clean(): ...
"""

TABLE = """\
shop_tasks: 4 tasks: 2 retried by Celery, 1 by hand, 1 not at all

                            lost when the API is closed for
task        retries        covers  1s  1m   15m    1h    1d
───────────────────────────────────────────────────────────
push_order        3            7m  0%  0%  100%  100%  100%
send_mail         ?  needs a test
sync_stock        5           15m  0%  0%    0%  100%  100%

! sync_stock: the last try falls exactly on the end of a window of 15m: it is
  served if the API is not a moment late, and refused if it is
- clean: not retried: the first error ends it in FAILURE
- push_order: retries 3 times within 7m, then ends in FAILURE: a window of 1m is
  outlived, one of 15m costs every task
- send_mail: `self.retry(countdown=to.patience)` (line 17) cannot be judged
  without its arguments: it depends on `to`
- sync_stock: retries 5 times within 15m, then ends in FAILURE: a window of 15m
  is outlived, one of 1h costs every task

What these do depends on what their bodies meet. Write a test for each:
  retrysim new shop_tasks.send_mail --app shop_tasks
or see all of them: retrysim audit shop_tasks --tests

Only retry policies ran, on a simulated worker: each body was replaced by one
that fails, and hooks, routers, signal receivers and bootsteps were left out.
What Redis or SQS does to a message that waits long is judged by the app's
settings, what RabbitMQ does is played. Windows are closed from the first
attempt on.
"""

MARKDOWN = """\
## Retries of `shop_tasks`

| task | retries | covers | lost in 1s | lost in 1m | lost in 15m | lost in 1h | lost in 1d |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| `shop_tasks.push_order` | 3 | 7m | 0% | 0% | 100% | 100% | 100% |

- **lost**: `shop_tasks.push_order`: retries 3 times within 7m, then ends in FAILURE: a window of 1m is outlived, \
one of 15m costs every task

Only retry policies ran, on a simulated worker: each body was replaced by one that fails, and hooks, routers, \
signal receivers and bootsteps were left out. What Redis or SQS does to a message that waits long is judged by the \
app's settings, what RabbitMQ does is played. Windows are closed from the first attempt on.
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    (tmp_path / "shop_tasks.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "shop_tasks", raising=False)
    monkeypatch.delitem(imports._imports(), "shop_tasks", raising=False)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Celery gives every app of a process the tasks of all others: the apps of other tests are not there."""
    own = {one for one in _state._on_app_finalizers if one.__module__ == "celery.app.builtins"}
    monkeypatch.setattr(_state, "_on_app_finalizers", own)


def test_a_table_and_a_sentence_for_each_finding(retrysim, shop):
    ended = retrysim("audit", "shop_tasks", "--jobs", "1")

    assert (ended.code, ended.out) == (0, TABLE)


def test_markdown(retrysim, shop):
    ended = retrysim("audit", "shop_tasks", "--task", "push_order", "--markdown", "--jobs", "1")

    assert (ended.code, ended.out) == (0, MARKDOWN)


def test_json_and_nothing_else_is_printed(retrysim, shop):
    ended = retrysim("audit", "shop_tasks", "--task", "sync_stock", "--json", "--jobs", "1")

    answer = json.loads(ended.out)
    [task] = answer["tasks"]
    assert (ended.code, answer["app"], task["task"], task["way"]) == (
        0,
        "shop_tasks",
        "shop_tasks.sync_stock",
        "automatic",
    )
    assert task["policies"][0]["played"] == {
        "copies": 1,
        "retries": {"min": 5, "median": 5, "max": 5},
        "span": {"min": 900.0, "median": 900.0, "max": 900.0},
        "longest_delay": 180.0,
        "lost": {"1s": 0.0, "1m": 0.0, "15m": 0.0, "1h": 1.0, "1d": 1.0},
        "ends_in": ["FAILURE"],
    }


@pytest.mark.parametrize(
    ("threshold", "crossed"),
    [
        ("lost(15m) > 0%", "shop_tasks.push_order: loses 100% in a window of 15m"),
        ("lost(15 minutes) >= 0.5", "shop_tasks.push_order: loses 100% in a window of 15m"),
        ("span < 10 minutes", "shop_tasks.push_order: its retries cover 7m"),
        ("retries <= 3", "shop_tasks.push_order: is retried 3 times"),
        (
            "edge",
            "shop_tasks.sync_stock: the last try falls exactly on the end of a window of 15m: it is served if the API is "
            "not a moment late, and refused if it is",
        ),
    ],
)
def test_a_crossed_threshold_exits_1_and_says_which(retrysim, shop, threshold, crossed):
    ended = retrysim("audit", "shop_tasks", "--fail-if", threshold, "--jobs", "1")

    assert ended.code == 1
    assert f"--fail-if {threshold!r}: {crossed}\n" in ended.err


def test_thresholds_that_hold_exit_0(retrysim, shop):
    ended = retrysim("audit", "shop_tasks", "--fail-if", "lost(1m) > 0%", "--fail-if", "no-effect", "--jobs", "1")

    assert ended.code == 0


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        (
            "egde",
            "--fail-if 'egde': expected lost(WINDOW), span or retries with <, <=, > or >= and a value, such as "
            "'lost(15m) > 0%' or 'span < 15 minutes', or a kind of finding; did you mean 'edge'?",
        ),
        ("lost(15m) > lots", "--fail-if 'lost(15m) > lots': 'lots' is no share: expected one such as 10%"),
        ("lost(15m) > 300%", "--fail-if 'lost(15m) > 300%': '300%' is no share: expected one such as 10%"),
        ("retries < few", "--fail-if 'retries < few': 'few' is no number of retries: expected a whole number"),
        (
            "span < 3 parsecs",
            "--fail-if 'span < 3 parsecs': '3 parsecs' is not a valid duration: unknown unit 'parsecs'; expected seconds, "
            'a timedelta, or a text such as "15 minutes", "2.5s", "1h30m"',
        ),
    ],
)
def test_a_wrong_threshold_exits_2(retrysim, shop, threshold, message):
    ended = retrysim("audit", "shop_tasks", "--fail-if", threshold)

    assert (ended.code, ended.err) == (2, message + "\n")


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("push_ordre", "; did you mean 'push_order'?"),
        (
            "nope",
            f" (it has {', '.join(f'shop_tasks.{name}' for name in ('clean', 'push_order', 'send_mail', 'sync_stock'))})",
        ),
    ],
)
def test_an_unknown_task_exits_2(retrysim, shop, named, meant):
    ended = retrysim("audit", "shop_tasks", "--task", named)

    assert ended.code == 2
    assert ended.err.endswith(f"the app 'shop_tasks' has no task {named!r}{meant}\n")


def test_an_app_without_tasks_exits_2(retrysim, tmp_path, monkeypatch):
    (tmp_path / "empty_app.py").write_text("from celery import Celery\napp = Celery('empty', set_as_current=False)\n")
    monkeypatch.chdir(tmp_path)

    ended = retrysim("audit", "empty_app")

    assert (ended.code, ended.err) == (
        2,
        "the app 'empty_app' has no tasks: expected some besides Celery's own; is a module not imported?\n",
    )


def test_a_module_that_cannot_be_imported_exits_2(retrysim, tmp_path, monkeypatch):
    text = "from celery import Celery\napp = Celery('broken', include=['broken_tasks'])\n"
    (tmp_path / "broken_app.py").write_text(text)
    (tmp_path / "broken_tasks.py").write_text("raise ValueError('no DATABASE_URL')\n")
    monkeypatch.chdir(tmp_path)

    ended = retrysim("audit", "broken_app")

    assert ended.code == 2
    assert ended.err == ("the app 'broken_app' cannot be imported: ValueError: no DATABASE_URL (broken_tasks.py:1)\n")


def test_a_module_that_connects_to_a_database_exits_2_and_says_how_to_allow_it(retrysim, tmp_path, monkeypatch):
    text = "import sqlite3\nfrom celery import Celery\napp = Celery('eager_to_connect')\nsqlite3.connect('shop.db')\n"
    (tmp_path / "eager_to_connect.py").write_text(text)
    monkeypatch.chdir(tmp_path)

    ended = retrysim("audit", "eager_to_connect")

    database = f"sqlite:///{tmp_path}/shop.db"
    assert ended.code == 2
    assert ended.err == (
        "the app 'eager_to_connect' cannot be imported: "
        f"the import of the app connects to a real database: SQLite at {database}\n"
        "  at eager_to_connect.py:4: sqlite3.connect('shop.db')\n"
        f'  If the real one is meant: allow = ["{database}"] under [tool.retrysim] in pyproject.toml\n'
    )


SMALL_CONTEST = (
    "--policies",
    "--tasks",
    "4",
    "--limit",
    "2 per minute",
    "--seeds",
    "1",
    "--copies",
    "2",
    "--jobs",
    "1",
)


def test_the_policies_are_drawn_in_a_file(retrysim, shop, tmp_path):
    ended = retrysim("audit", "shop_tasks", *SMALL_CONTEST, "--svg", "policies.svg", "--json")

    drawn = ElementTree.parse(tmp_path / "policies.svg").getroot()
    names = {one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text") if one.get("class") == "name"}
    standings = json.loads(ended.out)["contest"]["policies"]
    assert ended.code == 0
    assert names == {
        one["policy"].removeprefix("shop_tasks.") + (" (yours)" if one["own"] else "") for one in standings
    }
    assert len(names) == 10


@pytest.mark.parametrize(
    "options",
    [
        ("--svg", "p.svg"),
        ("--tasks", "4"),
        ("--limit", "2/s"),
        ("--max-retries", "3"),
        ("--policy", "a:b"),
        ("--seeds", "3"),
    ],
)
def test_an_option_of_policies_requires_it(retrysim, shop, options):
    ended = retrysim("audit", "shop_tasks", *options)

    assert ended.code == 2
    assert ended.err.endswith(f"Error: {options[0]} requires --policies\n")


WAITS = """\
def raises(retries, reset_in):
    raise ValueError("no idea")

def gives_text(retries, reset_in):
    return "soon"

def goes_back(retries, reset_in):
    return -5

def gives_up(retries, reset_in):
    return 0 if retries == 0 else float("nan")

number = 3
"""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("raises", "(0, 60) raised ValueError: no idea"),
        ("gives_text", "(0, 60) gave 'soon': expected seconds, a number of at least 0"),
        ("goes_back", "(0, 60) gave -5: expected seconds, a number of at least 0"),
        ("gives_up", "(1, 60) gave nan: expected seconds, a number of at least 0"),
        ("number", "(0, 60) raised TypeError: 'int' object is not callable"),
    ],
)
def test_a_policy_that_says_no_seconds_exits_2(retrysim, shop, tmp_path, monkeypatch, function, message):
    (tmp_path / "strange_waits.py").write_text(WAITS)
    monkeypatch.delitem(sys.modules, "strange_waits", raising=False)

    ended = retrysim("audit", "shop_tasks", *SMALL_CONTEST, "--policy", f"strange_waits:{function}")

    assert (ended.code, ended.err.splitlines()[-1]) == (2, f"--policy 'strange_waits:{function}': {message}")


def test_a_policy_that_cannot_be_imported_exits_2(retrysim, shop, tmp_path):
    (tmp_path / "broken_waits.py").write_text("def wait(:\n")

    ended = retrysim("audit", "shop_tasks", *SMALL_CONTEST, "--policy", "broken_waits:wait")

    assert ended.code == 2
    assert ended.err.splitlines()[-1] == (
        "--policy 'broken_waits:wait' cannot be imported: SyntaxError: invalid syntax (broken_waits.py, line 1)"
    )


def test_a_limit_that_is_none_exits_2(retrysim, shop):
    ended = retrysim("audit", "shop_tasks", "--policies", "--limit", "lots", "--copies", "2", "--jobs", "1")

    assert (ended.code, ended.err.splitlines()[-1]) == (
        2,
        "--limit 'lots': 'lots' is no rate: expected a whole number and a window, such as "
        '"180 per 15 minutes", "5/15min" or "1 per second"',
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fail-if", "retries < \u0663"], "'\u0663' is no number of retries: expected a whole number"),
        (["--fail-if", "lost(15m) > \uff15%"], "'\uff15%' is no share: expected one such as 10%"),
        (["--fail-if", "lost(15m) > " + "9" * 400], f"{'9' * 400!r} is no share: expected one such as 10%"),
        (["--policies", "--max-retries", "\u0663"], "expected a whole number of at most 999999, or none"),
        (["--policies", "--max-retries", "9" * 5_000], "expected a whole number of at most 999999, or none"),
        (["--policies", "--tasks", "\uff15"], "Invalid value for '--tasks': '\\uff15' is not a valid integer."),
        (["--policies", "--tasks", "1000000000"], "1000000000 is not in the range 1<=x<=100000."),
        (["--copies", "9" * 5_000], f"Invalid value for '--copies': '{'9' * 40}...' is not a valid integer."),
    ],
)  # fmt: skip
def test_a_number_is_one_in_ascii_and_has_bounds(retrysim, shop, options, message):
    ended = retrysim("audit", "shop_tasks", *options)

    assert ended.code == 2
    assert ended.err.splitlines()[-1].endswith(message)


def test_a_name_that_the_module_has_not_is_told(retrysim, shop):
    ended = retrysim("audit", "shop_tasks:celery")

    assert ended.code == 2
    assert ended.err.endswith("the module 'shop_tasks' has no app 'celery'; it has 'app'\n")


BILLING = """\
import os
from celery import Celery

billing = Celery("billing", broker=os.environ["BILLING_BROKER"])


@billing.task(autoretry_for=(OSError,))
def post(): ...
"""


@pytest.fixture
def source_layout(tmp_path, monkeypatch):
    """A project with its package under ``src``, which is not installed, and whose app needs a variable."""
    package = tmp_path / "src" / "billing_in_src"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "worker.py").write_text(BILLING)
    (tmp_path / "pyproject.toml").write_text('[tool.retrysim]\nenv = {BILLING_BROKER = "redis://nowhere.invalid/0"}\n')
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for module in ("billing_in_src", "billing_in_src.worker"):
        sys.modules.pop(module, None)
    imports._imports().pop("billing_in_src.worker:billing", None)


def test_an_app_that_is_not_named_is_found_under_src_with_the_variables_of_the_project(retrysim, source_layout):
    ended = retrysim("audit", "--jobs", "1", "--copies", "2")

    assert ended.code == 0
    assert ended.out.startswith("billing_in_src.worker:billing: 1 task")
    assert ("BILLING_BROKER" in os.environ, str(source_layout / "src") in sys.path) == (False, False)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("billing_in_src", "the module 'billing_in_src' has no app named `app` or `celery`; name another one as "
                           "`billing_in_src:NAME`"),
        ("biling", "the app 'biling' cannot be imported: ModuleNotFoundError: No module named 'biling'"),
        ("billing_in_src:app", "the module 'billing_in_src' has no app 'app'"),
    ],
)  # fmt: skip
def test_a_name_that_leads_to_no_app_is_answered_with_those_that_are_here(retrysim, source_layout, name, message):
    ended = retrysim("audit", name)

    assert (ended.code, ended.err) == (2, f"{message}\n  Found here: billing_in_src.worker:billing\n")


def test_where_there_is_no_app_audit_says_how_to_name_one(retrysim, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    ended = retrysim("audit")

    assert (ended.code, ended.err) == (
        2,
        "no Celery app found here: name it, as `celery -A` takes it: retrysim audit proj.celery:app\n",
    )


def test_an_app_with_a_wrong_syntax_is_told_with_its_place(retrysim, tmp_path, monkeypatch):
    (tmp_path / "half_an_app.py").write_text("x = 1\napp = Celery(\n")
    monkeypatch.chdir(tmp_path)

    ended = retrysim("audit", "half_an_app")

    assert (ended.code, ended.err) == (
        2,
        "the app 'half_an_app' cannot be imported: SyntaxError: '(' was never closed (half_an_app.py:2)\n",
    )


def test_a_drawing_that_cannot_be_written_exits_2(retrysim, shop):
    ended = retrysim("audit", "shop_tasks", *SMALL_CONTEST, "--svg", "nowhere/policies.svg")

    assert (ended.code, ended.err.splitlines()[-1]) == (
        2,
        "nowhere/policies.svg: expected a place that can be written to; No such file or directory",
    )


TEST = '''\
"""What the retries of shop_tasks.send_mail do, in virtual time."""

from shop_tasks import send_mail


def test_send_mail_loses_nothing(sim):
    sim.start_worker("shop_tasks", concurrency=4)

    for _ in range(8):
        send_mail.delay(to=1)
    sim.run()

    assert sim.states == {"FAILURE": 8}  # what it did; say what it should do
    # why: AttributeError: 'int' object has no attribute 'patience'
    # sim.check() says what is wrong with it
'''


def test_the_tests_of_what_retries_by_hand_are_printed(retrysim, shop):
    ended = retrysim("audit", "shop_tasks", "--tests", "--copies", "2", "--jobs", "1")

    assert ended.out == f"# {' shop_tasks.send_mail '.center(76, '-')}\n{TEST}"
    assert "\nshop_tasks: 4 tasks: " in ended.err


def test_the_tests_are_part_of_the_answer_for_a_machine_and_for_a_ticket(retrysim, shop):
    told = retrysim("audit", "shop_tasks", "--tests", "--json", "--copies", "2", "--jobs", "1")
    ticket = retrysim("audit", "shop_tasks", "--tests", "--markdown", "--copies", "2", "--jobs", "1")

    assert {task["task"]: task["test"] for task in json.loads(told.out)["tasks"] if task["test"]} == {
        "shop_tasks.send_mail": TEST
    }
    assert ticket.out.endswith(f"\n\n### A test of `shop_tasks.send_mail`\n\n```python\n{TEST}```\n")


def test_the_printed_test_is_what_new_writes(retrysim, shop, tmp_path):
    retrysim("new", "send_mail", "--app", "shop_tasks")

    assert (tmp_path / "test_send_mail_retries.py").read_text() == TEST


@pytest.mark.parametrize(("timeout", "code"), [("30m", 1), ("none", 0)])
def test_the_project_says_how_long_its_rabbitmq_waits(retrysim, shop, tmp_path, timeout, code):
    text = APP.replace("redis://nowhere.invalid/0", "amqp://nowhere.invalid//")
    (tmp_path / "shop_tasks.py").write_text(text.replace("max_retries=5", "default_retry_delay=2400"))
    (tmp_path / "pyproject.toml").write_text(f'[tool.retrysim]\nbroker = "rabbitmq:4.0?consumer_timeout={timeout}"\n')

    ended = retrysim("audit", "shop_tasks", "--jobs", "1", "--fail-if", "consumer-timeout")

    assert ended.code == code
    assert ("a delay of 40m passes the consumer_timeout of RabbitMQ 4.0" in ended.err) == bool(code)
