"""``retrysim audit`` of a Django project whose system checks ask the database: players are forked, and none asks it."""

import os
import subprocess
import sys

import pytest

PROJECT = """\
import os

import django
from celery import Celery
from django.conf import settings
from django.core import checks
from django.db import connection

settings.configure(
    SECRET_KEY="-",
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "NAME": "postgres", "USER": "postgres"}},
)
os.environ["DJANGO_SETTINGS_MODULE"] = "nobody.reads.it"
django.setup()


@checks.register
def asks_the_database(app_configs, **named):
    with open("asked", "a") as file:
        print(os.getpid(), file=file)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return []


app = Celery("shop", broker="redis://nowhere.invalid/0")


@app.task(autoretry_for=(OSError,), max_retries=5)
def sync_stock(shop_id): ...


@app.task(autoretry_for=(OSError,), retry_backoff=60, retry_jitter=False)
def push_order(order_id): ...
"""


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_checks_that_ask_postgresql_do_not_hold_up_an_audit(tmp_path, jobs):
    (tmp_path / "shop.py").write_text(PROJECT)
    command = [sys.executable, "-m", "retrysim", "audit", "shop", "--jobs", str(jobs), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    audit = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert (audit.returncode, audit.stderr) == (0, "")
    assert len(set((tmp_path / "asked").read_text().split())) >= jobs
