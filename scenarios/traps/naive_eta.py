"""The reset of the API as a naive local time."""

from datetime import UTC, datetime

import requests
from celery import Celery

app = Celery("naive_eta", broker="redis://localhost:6379/0")


def reset_of_refusal():
    """Epoch seconds at which the limit opens again, or None if we got through."""
    response = requests.get("https://api.github.com/user", headers={"Authorization": "Bearer abc"}, timeout=10)
    return int(response.headers["x-ratelimit-reset"]) if response.status_code in (403, 429) else None


@app.task(bind=True)
def trap(self):
    if reset := reset_of_refusal():
        raise self.retry(eta=datetime.fromtimestamp(reset))


@app.task(bind=True)
def fixed(self):
    if reset := reset_of_refusal():
        raise self.retry(eta=datetime.fromtimestamp(reset, UTC))
