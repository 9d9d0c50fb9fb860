"""A queue for each key, with one worker: its rate_limit is then the limit of the key."""

import requests
from celery import Celery

app = Celery("own_queue", broker="redis://localhost:6379/0")


@app.task(bind=True, max_retries=None, rate_limit="30/m")
def push(self, key, contact):
    headers = {"Authorization": f"Bearer {key}"}
    response = requests.post("https://crm.acme.io/contacts", json={"id": contact}, headers=headers, timeout=10)
    if response.status_code == 429:  # somebody else uses the key, too
        raise self.retry(countdown=int(response.headers["Retry-After"]))
    response.raise_for_status()
