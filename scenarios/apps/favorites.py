"""The text's last listing as printed, only made to run: a colon, a client, ``import datetime``, Python 3.

It asks for the favourites, and, when refused, for the reset of another endpoint.
"""

import datetime

import twitter
from celery import Celery

app = Celery("favorites", broker="redis://localhost:6379/0")

oauth_token, oauth_token_secret, key, secret = "token", "token-secret", "key", "key-secret"


@app.task(bind=True)
def fetch_tweets(self, user_id):
    auth = twitter.OAuth(oauth_token, oauth_token_secret, key, secret)
    client = twitter.Twitter(auth=auth)
    params = {"user_id": user_id, "count": 2}
    try:
        response = client.favorites.list(**params)
    except twitter.TwitterError as e:
        if e.e.code == 429:
            # 429: rate limit exceeded
            # Ask Twitter to tell at what time rate limit window gets reset
            rate_limit_status = client.application.rate_limit_status(resources="statuses")
            reset = rate_limit_status["resources"]["statuses"]["/statuses/user_timeline"]["reset"]
            dt = datetime.datetime.utcfromtimestamp(reset)
            raise self.retry(eta=dt, exc=e, max_retries=1)
    return response
