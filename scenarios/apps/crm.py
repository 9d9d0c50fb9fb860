"""A team's own API behind a gateway: each task writes one contact with ``requests`` and obeys ``Retry-After``."""

import requests
from celery import Celery

app = Celery("crm", broker="redis://localhost:6379/0")


@app.task(bind=True)
def push_contact(self, contact_id):
    response = requests.post(
        "https://gateway.acme.io/crm/contacts",
        json={"id": contact_id},
        headers={"Authorization": "Bearer abc"},
        timeout=10,
    )
    if response.status_code == 429:
        raise self.retry(countdown=int(response.headers["Retry-After"]))
    response.raise_for_status()
    return response.json()["ok"]
