"""What Celery does differently from one version to the next."""

from celery import Celery
from celery.exceptions import Reject

app = Celery("versions", broker="redis://localhost:6379/0")
app.conf.timezone = "America/New_York"
app.conf.broker_transport_options = {"visibility_timeout": 4 * 3600}


@app.task(bind=True)
def try_again_in_two_hours(self):
    if not self.request.retries:
        raise self.retry(countdown=7200)


@app.task(acks_late=True)
def refuse():
    raise Reject("not for me", requeue=False)
