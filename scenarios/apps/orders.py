"""A shop's tasks: what is charged must be charged once, what is mailed may be mailed again, and refunds wait."""

import os
import time

import requests
from celery import Celery

app = Celery("orders", broker=os.environ.get("BROKER_URL", "redis://localhost:6379/0"), set_as_current=False)
app.conf.broker_transport_options = {"visibility_timeout": 3600}


@app.task(acks_late=True)
def charge(order):
    """Late acks: a worker that dies leaves the message, and another one charges again."""
    return requests.post("https://pay.example/charges", json={"order": order}, timeout=5).status_code


@app.task(acks_late=True, reject_on_worker_lost=True)
def render(seconds=30):
    """Takes a while, and memory."""
    time.sleep(seconds)


@app.task
def mail(seconds=30):
    """Early acks, Celery's default: the message is gone when the body begins."""
    time.sleep(seconds)


@app.task(bind=True, max_retries=5)
def refund(self):
    """Waits half an hour for its second try, in the memory of a worker."""
    if not self.request.retries:
        raise self.retry(countdown=1800)
