"""Waiting for the limit inside the task, under a time limit."""

import time

import requests
from celery import Celery

app = Celery("sleeping_task", broker="redis://localhost:6379/0")


def call():
    """How long to wait, or None if we got through."""
    response = requests.get("https://crm.acme.io/contacts", headers={"Authorization": "Bearer abc"}, timeout=10)
    return int(response.headers["Retry-After"]) if response.status_code == 429 else None


@app.task(time_limit=20)
def trap():
    while wait := call():
        time.sleep(wait)


@app.task(bind=True, time_limit=20)
def fixed(self):
    if wait := call():
        raise self.retry(countdown=wait)
