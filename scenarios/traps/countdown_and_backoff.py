"""``retry_kwargs={"countdown": 2}`` together with a backoff."""

from celery import Celery

app = Celery("countdown_and_backoff", broker="redis://localhost:6379/0")


@app.task(autoretry_for=(ValueError,), retry_kwargs={"countdown": 2}, retry_backoff=True, retry_jitter=False)
def trap():
    raise ValueError("not today")


@app.task(autoretry_for=(ValueError,), retry_kwargs={"countdown": 2})
def fixed():
    raise ValueError("not today")
