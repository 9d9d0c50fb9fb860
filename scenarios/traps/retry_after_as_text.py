"""``Retry-After`` handed to ``retry()`` as the text that a header is."""

import requests
from celery import Celery

app = Celery("retry_after_as_text", broker="redis://localhost:6379/0")


def ask():
    return requests.get("https://crm.acme.io/contacts", headers={"Authorization": "Bearer abc"}, timeout=10)


@app.task(bind=True)
def trap(self):
    response = ask()
    if response.status_code == 429:
        raise self.retry(countdown=response.headers["Retry-After"])
    return response.json()


@app.task(bind=True)
def fixed(self):
    response = ask()
    if response.status_code == 429:
        raise self.retry(countdown=int(response.headers["Retry-After"]))
    return response.json()
