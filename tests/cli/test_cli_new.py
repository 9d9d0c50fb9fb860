"""``retrysim new`` in ordinary projects: it asks nothing, and what it writes passes."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

RETRYSIM = Path(sys.executable).with_name("retrysim")
CELERY = """
import os
from celery import Celery

app = Celery("shop", broker=os.environ["BROKER_URL"], include=["shop.tasks"])
"""
TASKS = """
import requests
from shop.celery import app


@app.task
def add(x, y):
    return x + y


@app.task(bind=True, max_retries=None)
def push_order(self, order_id: int, token):
    response = requests.post(
        "https://crm.acme.io/orders", json={"id": order_id}, headers={"Authorization": token}, timeout=5
    )
    if response.status_code == 429:
        raise self.retry(countdown=int(response.headers["Retry-After"]))
"""
SCENARIO = """\
# yaml-language-server: $schema=scenario.schema.json
# The keys: retrysim validate --schema. Play it: retrysim run scenarios/push_order.scenario.yaml
name: push_order loses nothing
app: shop.celery:app
env: {BROKER_URL: redis://localhost:6379/0}
celery: [worker]  # also: eager, always_eager
workers: {concurrency: 4}
fakes:
  crm_acme_io: {url: https://crm.acme.io, limit: "5 per minute"}
submit:
  - {task: shop.tasks.push_order, times: 8, kwargs: {order_id: 1, token: a-token}}
expect:
  states: {SUCCESS: 8}  # what it did; say what it should do
"""
TEST = '''\
"""What the retries of shop.tasks.push_order do, in virtual time."""

import os

from retrysim.fakes import API

os.environ.setdefault("BROKER_URL", "redis://localhost:6379/0")

from shop.tasks import push_order  # noqa: E402


def test_push_order_loses_nothing(sim):
    sim.serve(API("https://crm.acme.io", limit="5 per minute"))
    sim.start_worker("shop.celery:app", concurrency=4)

    for _ in range(8):
        push_order.delay(order_id=1, token="a-token")
    sim.run()

    assert sim.states == {"SUCCESS": 8}  # what it did; say what it should do
    sim.check()
'''


@pytest.fixture(params=[".", "src"], ids=["flat", "src layout"])
def project(request, tmp_path):
    package = tmp_path / request.param / "shop"
    package.mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    for name, text in {"__init__.py": "", "celery.py": CELERY, "tasks.py": TASKS}.items():
        (package / name).write_text(text)
    return tmp_path


def new(folder, *arguments):
    return subprocess.run([RETRYSIM, "new", *arguments], cwd=folder, capture_output=True, text=True)


def test_it_finds_app_task_arguments_hosts_and_environment_and_what_it_writes_passes(project):
    done = new(project)

    assert done.stdout.splitlines() == [
        "shop.tasks.push_order of shop.celery:app: 8 succeeded, 3 retried in 1m of virtual time",
        "wrote scenarios/push_order.scenario.yaml",
        "      tests/test_push_order_retries.py",
        "      scenarios/scenario.schema.json, for your editor",
        "now: pytest scenarios/push_order.scenario.yaml tests/test_push_order_retries.py",
    ]
    assert (project / "scenarios/push_order.scenario.yaml").read_text() == SCENARIO
    assert (project / "tests/test_push_order_retries.py").read_text() == TEST
    again = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=. src", "scenarios", "tests"]
    played = subprocess.run([sys.executable, *again], cwd=project, capture_output=True, text=True)
    assert "2 passed" in played.stdout


def test_it_writes_over_nothing_and_knows_the_tasks_by_their_ends(project):
    assert new(project, "add").returncode == 0

    for arguments, error in (
        (["add"], "scenarios/add.scenario.yaml exists already; remove it, or name another task: retrysim new TASK\n"),
        (["push_ordr"], "the app 'shop.celery:app' has no task 'push_ordr'; did you mean 'push_order'?\n"),
    ):
        done = new(project, *arguments)
        assert (done.returncode, done.stderr) == (2, error)


def test_where_there_is_no_app_it_says_how_to_name_one(tmp_path):
    done = new(tmp_path)

    assert (done.returncode, done.stderr) == (
        2,
        "no Celery app found here: name it, as `celery -A` takes it: retrysim new --app proj.celery:app\n",
    )


def test_where_there_are_several_apps_the_others_are_named(project):
    (project / "celery_of_another.py").write_text("from celery import Celery\n\napp = Celery('another')\n")

    done = new(project, "push_order")

    assert (done.returncode, done.stderr) == (
        2,
        "the app 'celery_of_another:app' has no task of its own; there is 'shop.celery:app', too: name it with --app\n",
    )


ROUTED = """
from celery import Celery
from shop.client import call

app = Celery("shop", broker="amqp://", backend=None)
app.conf.task_routes = {"shop.celery.*": {"queue": "mail"}}


@app.task(bind=True)
def send_mail(self, addresses: list[str], dry: bool):
    if call("https://mail.acme.io/send").status_code == 429:
        raise self.retry(countdown=60)
    assert call("https://audit.acme.io:8443/log").json()["stored"]
"""
CLIENT = "import requests\n\n\ndef call(url):\n    return requests.post(url, timeout=5)\n"
ROUTED_SCENARIO = """\
workers: {concurrency: 4, queues: [celery, mail]}
fakes:
  mail_acme_io: {url: https://mail.acme.io, limit: "5 per minute"}
  audit_acme_io_8443: {url: https://audit.acme.io:8443, limit: "5 per minute"}
submit:
  - {task: shop.celery.send_mail, times: 8, kwargs: {addresses: [], dry: true}}
expect:
  states: {FAILURE: 8}  # what it did; say what it should do
  # why: KeyError: 'stored'
  #      its fake answers {"ok": true} to every call, unless you give it an `answer`
"""
ROUTED_TEST = """\
def test_send_mail_loses_nothing(sim):
    sim.serve(API("https://mail.acme.io", limit="5 per minute"))
    sim.serve(API("https://audit.acme.io:8443", limit="5 per minute"))
    sim.start_worker("shop.celery:app", concurrency=4, queues=["celery", "mail"])

    for _ in range(8):
        send_mail.delay(addresses=[], dry=True)
    sim.run()

    assert sim.states == {"FAILURE": 8}  # what it did; say what it should do
    # why: KeyError: 'stored'
    #      its fake answers {"ok": true} to every call, unless you give it an `answer`
    # sim.check() says what is wrong with it
"""


def test_it_plays_the_task_again_with_the_queue_and_the_apis_that_it_met(tmp_path):
    package = tmp_path / "shop"
    package.mkdir()
    hidden = ROUTED.replace('"https://audit', '"https" + "://audit')  # no address that can be read off the module
    for name, text in {"__init__.py": "", "celery.py": hidden, "client.py": CLIENT}.items():
        (package / name).write_text(text)

    done = new(tmp_path)

    assert done.stdout.splitlines()[:2] == [
        "shop.celery.send_mail of shop.celery:app: 8 failed, 3 retried in 1m of virtual time",
        "why: KeyError: 'stored'",
    ]
    assert (tmp_path / "scenarios/send_mail.scenario.yaml").read_text().endswith(ROUTED_SCENARIO)
    assert (tmp_path / "test_send_mail_retries.py").read_text().endswith(ROUTED_TEST)


SETTINGS = """
SECRET_KEY = "-"
INSTALLED_APPS = ["django.contrib.contenttypes"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.db"}}
"""
DJANGO = """
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
app = Celery("shop", broker="redis://")


@app.task(autoretry_for=(OSError,))
def count():
    from django.contrib.contenttypes.models import ContentType

    return ContentType.objects.get(pk=os.environ["WHICH"])
"""


def test_in_a_django_project_it_plays_on_the_test_database_and_obeys_pyproject(tmp_path):
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "shop.py").write_text(DJANGO)
    (tmp_path / "pyproject.toml").write_text('[tool.retrysim]\nenv = {WHICH = "4711"}\n')

    done = new(tmp_path)

    assert done.stdout.splitlines()[1] == "why: DoesNotExist: ContentType matching query does not exist."
    assert "\ndatabase: test\n" in (tmp_path / "scenarios/count.scenario.yaml").read_text()
    test = (tmp_path / "test_count_retries.py").read_text()
    assert (
        "import pytest\n\nfrom shop import count\n\n\n@pytest.mark.django_db(transaction=True)\ndef test_count" in test
    )
    assert not (tmp_path / "shop.db").exists()
