"""A retry in two and a half hours, on Redis with its visibility timeout of one."""

from celery import Celery

app = Celery("eta_beyond_visibility", broker="redis://localhost:6379/0")


@app.task(bind=True)
def trap(self):
    if not self.request.retries:
        raise self.retry(countdown=9000)


@app.task(bind=True, max_retries=None)
def fixed(self, waited=0):
    """In steps below the visibility timeout: a message is never unacked for as long as that."""
    if waited < 9000:
        raise self.retry(countdown=1800, kwargs={"waited": waited + 1800})
