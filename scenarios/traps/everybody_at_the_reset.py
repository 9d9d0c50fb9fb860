"""Everybody who was refused comes back at the reset, and most of them are refused again."""

import requests
from celery import Celery

app = Celery("everybody_at_the_reset", broker="redis://localhost:6379/0")

LIMIT, WINDOW = 10, 60  # calls, seconds


@app.task(bind=True, max_retries=None)
def trap(self):
    response = requests.get("https://crm.acme.io/contacts", headers={"Authorization": "Bearer abc"}, timeout=10)
    if response.status_code == 429:
        raise self.retry(countdown=int(response.headers["Retry-After"]))


@app.task
def fixed(number):
    """One dispatcher gives each call the window in which there is room for it."""
    for index in range(number):
        trap.apply_async(countdown=index // LIMIT * WINDOW)
