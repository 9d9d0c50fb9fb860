"""A task's rate_limit, which each worker counts for itself."""

import requests
from celery import Celery

app = Celery("rate_limit_per_worker", broker="redis://localhost:6379/0")


def call():
    requests.get("https://crm.acme.io/contacts", headers={"Authorization": "Bearer abc"}, timeout=10)


@app.task(rate_limit="30/m")
def trap():
    call()


@app.task(rate_limit="10/m")
def fixed():
    """A third for each of three workers; wrong again as soon as there are four."""
    call()
