"""An app whose policies lead elsewhere, and one that cannot be read."""

from functools import partial

from celery import Celery
from celery.app.task import Task

app = Celery("oddly", broker="redis://nowhere.invalid/0", set_as_current=False)
task = partial(app.task, shared=False)


class Unreadable(Task):
    @property
    def max_retries(self):
        raise LookupError("no settings")


@task(bind=True, max_retries=2)
def into_another_queue(self):
    try:
        raise OSError
    except OSError as error:
        raise self.retry(exc=error, countdown=60, queue="slow") from None


@task(autoretry_for=(OSError,), max_retries=2, retry_kwargs={"countdown": 60, "queue": "slow", "priority": 9})
def by_its_arguments():
    """Nothing is done."""


@task(base=Unreadable, autoretry_for=(OSError,))
def unreadable():
    """Nothing is done."""
