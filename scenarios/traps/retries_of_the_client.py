"""A client that retries by itself, inside a task that is retried."""

import requests
from celery import Celery
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

app = Celery("retries_of_the_client", broker="redis://localhost:6379/0")


def session(retries):
    made = requests.Session()
    made.mount("https://", HTTPAdapter(max_retries=retries))
    return made


def call(retries):
    session(retries).get("https://crm.acme.io/contacts", timeout=10).raise_for_status()


@app.task(autoretry_for=(requests.RequestException,), retry_kwargs={"countdown": 60})
def trap():
    call(Retry(total=3, status_forcelist=[503], backoff_factor=1))


@app.task(autoretry_for=(requests.RequestException,), retry_kwargs={"countdown": 60})
def fixed():
    call(Retry(total=0))
