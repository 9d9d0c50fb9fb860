"""The text's basic examples: ``add``, and what Celery makes of it when it raises, retries, and retries once.

After "Retrying celery failed tasks" (agiliq.com, 2015-08-03), written for Python 3 and Celery 5.
"""

import random
from datetime import UTC, datetime, timedelta

from celery import Celery

app = Celery("add", broker="redis://localhost:6379/0")


@app.task
def add(x, y):
    return x + y


@app.task
def add_that_raises(x, y):
    raise ValueError("no addition today")


@app.task(bind=True)
def add_with_retry(self, x, y):
    try:
        raise ValueError("no addition today")
    except ValueError as error:
        raise self.retry(countdown=2, exc=error)


@app.task(bind=True)
def add_with_one_retry(self, x, y):
    try:
        raise ValueError("no addition today")
    except ValueError as error:
        raise self.retry(countdown=2, exc=error, max_retries=1)


@app.task(bind=True)
def add_if_even(self, x, y):
    try:
        return _add_if_even(x, y)
    except ValueError as error:
        raise self.retry(countdown=2, exc=error, max_retries=1)


@app.task(bind=True)
def add_if_even_with_eta(self, x, y):
    try:
        return _add_if_even(x, y)
    except ValueError as error:
        eta = datetime.now(UTC) + timedelta(seconds=2)
        raise self.retry(eta=eta, exc=error, max_retries=1)


def _add_if_even(x, y):
    number = random.randint(1, 10)
    if number % 2:
        raise ValueError(f"{number} is odd")
    return x + y
