"""The decorator of Celery's documentation, in front of an API whose window is fifteen minutes."""

import requests
from celery import Celery

app = Celery("autoretry_with_backoff", broker="redis://localhost:6379/0")


def ask():
    response = requests.get("https://crm.acme.io/contacts", headers={"Authorization": "Bearer abc"}, timeout=10)
    response.raise_for_status()


@app.task(autoretry_for=(requests.HTTPError,), retry_backoff=True)
def trap():
    ask()


@app.task(bind=True, max_retries=None)
def fixed(self):
    try:
        ask()
    except requests.HTTPError as error:
        if error.response.status_code != 429:
            raise
        raise self.retry(countdown=int(error.response.headers["Retry-After"]), exc=error)
