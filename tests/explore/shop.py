"""Tasks with a known weakness each, and fixed ones, for tests of explore."""

import time

import requests
from celery import Celery

app = Celery("shop", broker="memory://", set_as_current=False)
API = "https://shop.example"


def post(path, timeout=5):
    response = requests.post(API + path, timeout=timeout)
    response.raise_for_status()
    return response.json()


@app.task(bind=True, max_retries=5)
def push(self, contact=1):
    """Early ack: a worker that dies takes it along."""
    try:
        return post("/contacts")
    except requests.RequestException as error:
        raise self.retry(exc=error, countdown=10)


@app.task
def swallow(contact=1):
    """Takes a 500 for an answer."""
    return requests.post(API + "/contacts", timeout=5).status_code


@app.task(acks_late=True, reject_on_worker_lost=True, autoretry_for=(requests.RequestException,), retry_backoff=False)
def read(contact=1):
    """Survives everything: it only reads, and is acked late."""
    return requests.get(API + "/contacts", timeout=5).json()


@app.task
def slow():
    """Early ack, and longer than the grace time of a deployment."""
    time.sleep(60)


@app.task
def hand_on():
    """Sends another task as its last line."""
    time.sleep(1)
    quiet.delay()


@app.task
def quiet():
    """Calls nobody."""


_created = set()  # stands for a table of a database


@app.task
def create():
    _created.add(1)


@app.task
def use():
    """Takes for granted that ``create``, which was sent at the same time, ends first."""
    if not _created:
        raise LookupError("no such row")


@app.task(bind=True)
def push_later(self):
    """Its retry may be another worker's."""
    if not self.request.retries:
        raise self.retry(countdown=60)


@app.task(bind=True)
def use_soon(self):
    """Its retry is of no use after five minutes."""
    if not self.request.retries:
        raise self.retry(countdown=60, expires=300)


@app.task(acks_late=True)
def render():
    time.sleep(600)


@app.task(bind=True, acks_late=True, max_retries=5)
def pay(self, order=1):
    """Names the effect of its call, so that the shop does the same thing once."""
    headers = {"Idempotency-Key": f"order-{order}"}
    try:
        requests.post(API + "/charges", json={"order": order}, headers=headers, timeout=5).raise_for_status()
    except requests.RequestException as error:
        raise self.retry(exc=error, countdown=10)


@app.task(acks_late=True, autoretry_for=(requests.RequestException,), retry_backoff=False)
def note_then_push(fixed=False):
    """Notes that it has pushed before it has: whoever gets the message again takes it for done."""
    if "pushed" not in _created or fixed:
        _created.add("pushed")
        post("/contacts")


@app.task
def compute_forever():
    """Ends nowhere, and reads no clock."""
    while True:
        pass
