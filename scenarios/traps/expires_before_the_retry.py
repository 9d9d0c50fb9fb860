"""A retry delay that is longer than the task's ``expires``."""

from celery import Celery

app = Celery("expires_before_the_retry", broker="redis://localhost:6379/0")


@app.task(bind=True)
def trap(self):
    if not self.request.retries:
        raise self.retry(countdown=900)


@app.task(bind=True)
def fixed(self):
    if not self.request.retries:
        raise self.retry(countdown=900, expires=1800)
