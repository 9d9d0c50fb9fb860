"""Letters: tasks that send others, and keep what they sent in Redis."""

import os
import threading
from contextlib import suppress

import redis
from celery import Celery
from celery.signals import worker_init
from kombu import Connection

REDIS = os.environ["SAFETY_REDIS"]
BROKER = "amqp://guest:guest@127.0.0.1:5672//"
app = Celery("mailer", broker=BROKER, backend=f"{REDIS}/14", set_as_current=True)
app.conf.task_default_queue = "retrysim-safety"
client = redis.Redis.from_url(f"{REDIS}/15")

if "REACH_AT_IMPORT" in os.environ:
    with suppress(Exception):
        client.incr("imported")


@app.task(bind=True, autoretry_for=(ValueError,), max_retries=3, default_retry_delay=10)
def send(self, letter_id):
    note.delay(letter_id)
    if self.request.retries < 2:
        raise ValueError(letter_id)
    return letter_id


@app.task
def note(letter_id):
    return letter_id


@app.task
def count(letter_id):
    return client.incr("letters")


@app.task(bind=True, max_retries=2)
def by_hand(self, letter_id):
    client.incr("letters")
    with Connection(BROKER) as connection, connection.SimpleQueue("retrysim-safety") as queue:
        queue.put(letter_id)
    raise self.retry(countdown=letter_id)


@worker_init.connect
def tell(**_):
    with suppress(Exception):
        client.incr("workers")
    with suppress(Exception):
        note.delay(0)


def in_a_thread():
    thread = threading.Thread(target=note.delay, args=(1,))
    thread.start()
    thread.join()
