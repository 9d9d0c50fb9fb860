"""The last listing of "Retrying celery failed tasks" (agiliq.com, 2015), and what it takes to keep its promise."""

import datetime

import twitter
from celery import Celery

app = Celery("last_listing", broker="redis://localhost:6379/0")


def client():
    return twitter.Twitter(auth=twitter.OAuth("token", "token-secret", "key", "key-secret"))


@app.task(bind=True)
def trap(self, user_id):
    try:
        return client().favorites.list(user_id=user_id, count=2)
    except twitter.TwitterError as e:
        if e.e.code == 429:
            rate_limit_status = client().application.rate_limit_status(resources="statuses")
            reset = rate_limit_status["resources"]["statuses"]["/statuses/user_timeline"]["reset"]
            dt = datetime.datetime.utcfromtimestamp(reset)
            raise self.retry(eta=dt, exc=e, max_retries=1)


@app.task(bind=True, max_retries=None)
def fixed(self, user_id):
    try:
        return client().favorites.list(user_id=user_id, count=2)
    except twitter.TwitterHTTPError as error:
        if error.e.code != 429:
            raise
        reset = int(error.e.headers["x-rate-limit-reset"])
        raise self.retry(eta=datetime.datetime.fromtimestamp(reset, datetime.UTC), exc=error)
