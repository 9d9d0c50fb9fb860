"""GCRA in Redis: the calls of a key are evenly spaced, and each is told when its turn is."""

import requests
from celery import Celery
from redis import Redis

app = Celery("gcra", broker="redis://localhost:6379/0")

# KEYS[1]: when the next call of the key is due; ARGV[1]: milliseconds between two calls. Returns milliseconds to wait.
turn = Redis().register_script("""
local interval, time = tonumber(ARGV[1]), redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now))
redis.call('SET', KEYS[1], string.format('%.0f', due + interval), 'PX', string.format('%.0f', due + interval - now))
return due - now
""")


@app.task(bind=True, max_retries=None)
def push(self, key, contact, its_turn=False):
    if not its_turn and (wait_ms := turn(keys=[f"turn:{key}"], args=[2000])):
        raise self.retry(countdown=wait_ms / 1000, kwargs={"its_turn": True})
    headers = {"Authorization": f"Bearer {key}"}
    response = requests.post("https://crm.acme.io/contacts", json={"id": contact}, headers=headers, timeout=10)
    if response.status_code == 429:  # somebody else uses the key, too
        raise self.retry(countdown=int(response.headers["Retry-After"]))
    response.raise_for_status()
