"""The 200-call user with small defects put in on purpose, one task for each."""

from datetime import UTC, datetime, timedelta

import twitter
from celery import Celery

app = Celery("defective", broker="redis://localhost:6379/0")


def client():
    return twitter.Twitter(auth=twitter.OAuth("fake-token", "token-secret", "key", "key-secret"))


def reset_of(path="/statuses/user_timeline"):
    status = client().application.rate_limit_status(resources="statuses")
    return status["resources"]["statuses"][path]["reset"]


def retrying(refused):
    """A task that calls the timeline, and on a 429 does what ``refused`` says."""

    def fetch(self, user_id):
        try:
            return len(client().statuses.user_timeline(user_id=user_id, count=2))
        except twitter.TwitterHTTPError as error:
            return refused(self, error)

    return app.task(bind=True, name=refused.__name__)(fetch)


@retrying
def right(self, error):
    raise self.retry(eta=datetime.fromtimestamp(reset_of(), UTC), exc=error)


@retrying
def countdown_of_899_s(self, error):
    raise self.retry(countdown=899, exc=error)


@retrying
def eta_one_second_early(self, error):
    raise self.retry(eta=datetime.fromtimestamp(reset_of(), UTC) - timedelta(seconds=1), exc=error)


@retrying
def naive_fromtimestamp(self, error):
    raise self.retry(eta=datetime.fromtimestamp(reset_of()), exc=error)


@retrying
def countdown_as_text(self, error):
    raise self.retry(countdown="900", exc=error)


@retrying
def swallowed(self, error):
    return None


@retrying
def no_retries(self, error):
    raise self.retry(eta=datetime.fromtimestamp(reset_of(), UTC), exc=error, max_retries=0)


@retrying
def wrong_family(self, error):
    raise self.retry(eta=datetime.fromtimestamp(reset_of("/statuses/home_timeline"), UTC), exc=error)
