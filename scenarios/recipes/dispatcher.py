"""A dispatcher by beat: calls wait in a list of their key, and each minute so many are sent as the key allows."""

import requests
from celery import Celery
from redis import Redis

app = Celery("dispatcher", broker="redis://localhost:6379/0")
app.conf.beat_schedule = {"dispatch": {"task": "scenarios.recipes.dispatcher.dispatch", "schedule": 60}}
redis = Redis(decode_responses=True)


@app.task
def add(key, contact):
    redis.sadd("keys", key)
    redis.rpush(f"backlog:{key}", contact)


@app.task
def dispatch():
    for key in sorted(redis.smembers("keys")):
        for contact in redis.lpop(f"backlog:{key}", 30) or []:
            push.delay(key, contact)


@app.task(bind=True, max_retries=None)
def push(self, key, contact):
    headers = {"Authorization": f"Bearer {key}"}
    response = requests.post("https://crm.acme.io/contacts", json={"id": contact}, headers=headers, timeout=10)
    if response.status_code == 429:  # somebody else uses the key, too
        raise self.retry(countdown=int(response.headers["Retry-After"]))
    response.raise_for_status()
