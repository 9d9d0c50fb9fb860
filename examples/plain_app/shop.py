"""A Celery app that writes orders to a CRM, which allows 100 calls per minute."""

import os

import requests
from celery import Celery

app = Celery("shop", broker=os.environ["BROKER_URL"])
TOKEN = os.environ["CRM_TOKEN"]


@app.task(bind=True, max_retries=None)
def push_order(self, order_id):
    response = requests.post(
        "https://crm.acme.io/orders",
        json={"id": order_id},
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=10,
    )
    if response.status_code == 429:
        raise self.retry(countdown=int(response.headers["Retry-After"]))
    response.raise_for_status()
