"""A slot reserved in Redis: the script counts the calls of a key, and says when the window of this one begins."""

import requests
from celery import Celery
from redis import Redis

app = Celery("reserved_slot", broker="redis://localhost:6379/0")

# KEYS[1]: the last window that has a reservation; ARGV: calls for each window, its seconds. Returns seconds to wait.
reserve = Redis().register_script("""
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = tonumber(redis.call('TIME')[1])
local start = tonumber(redis.call('HGET', KEYS[1], 'start') or now)
local taken = tonumber(redis.call('HGET', KEYS[1], 'taken') or 0)
if start + window <= now then
    start, taken = now, 0
elseif taken == limit then
    start, taken = start + window, 0
end
redis.call('HSET', KEYS[1], 'start', start, 'taken', taken + 1)
redis.call('EXPIRE', KEYS[1], start + 2 * window - now)
return math.max(0, start - now)
""")


@app.task(bind=True, max_retries=None)
def push(self, key, contact, reserved=False):
    if not reserved and (wait := reserve(keys=[f"slots:{key}"], args=[30, 60])):
        raise self.retry(countdown=wait, kwargs={"reserved": True})
    headers = {"Authorization": f"Bearer {key}"}
    response = requests.post("https://crm.acme.io/contacts", json={"id": contact}, headers=headers, timeout=10)
    if response.status_code == 429:  # somebody else uses the key, too
        raise self.retry(countdown=int(response.headers["Retry-After"]))
    response.raise_for_status()
