"""A nightly report, and a heartbeat: an app whose tasks are sent by beat."""

from celery import Celery
from celery.schedules import crontab

app = Celery("nightly", broker="redis://localhost:6379/0", backend="redis://localhost:6379/1")
app.conf.update(
    timezone="America/New_York",
    beat_schedule={
        "nightly report": {"task": "report", "schedule": crontab(hour=2, minute=30)},
        "pulse": {"task": "pulse", "schedule": 6 * 3600.0},
    },
)


@app.task(name="report", bind=True, max_retries=None)
def report(self):
    if not self.request.retries:
        raise self.retry(countdown=600)  # the figures are not ready at first


@app.task(name="pulse")
def pulse():
    return "alive"
