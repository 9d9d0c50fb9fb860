"""No limiter: each refused call comes back when the API says so."""

import requests
from celery import Celery

app = Celery("retry_after", broker="redis://localhost:6379/0")


@app.task(bind=True, max_retries=None)
def push(self, key, contact):
    headers = {"Authorization": f"Bearer {key}"}
    response = requests.post("https://crm.acme.io/contacts", json={"id": contact}, headers=headers, timeout=10)
    if response.status_code == 429:
        raise self.retry(countdown=int(response.headers["Retry-After"]))
    response.raise_for_status()
