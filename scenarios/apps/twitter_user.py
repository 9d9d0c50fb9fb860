"""The 200-call user: each task is one call of ``statuses/user_timeline`` through the real ``twitter`` package."""

import os
from datetime import UTC, datetime

import twitter
from celery import Celery

app = Celery("twitter_user", broker="redis://localhost:6379/0")


def client():
    return twitter.Twitter(auth=twitter.OAuth(os.environ["TWITTER_TOKEN"], "token-secret", "key", "key-secret"))


@app.task
def fetch_tweets_without_retry(user_id):
    return len(client().statuses.user_timeline(user_id=user_id, count=2))


@app.task(bind=True)
def fetch_tweets(self, user_id):
    try:
        return len(client().statuses.user_timeline(user_id=user_id, count=2))
    except twitter.TwitterHTTPError as error:
        if error.e.code != 429:
            raise
        raise self.retry(eta=window_reset(), exc=error)


def window_reset():
    """When Twitter lets this user call the timeline again."""
    status = client().application.rate_limit_status(resources="statuses")
    reset = status["resources"]["statuses"]["/statuses/user_timeline"]["reset"]
    return datetime.fromtimestamp(reset, UTC)
