"""An app with the retry policies that people write; its broker is Redis, which nobody reaches."""

import random
from functools import partial

from celery import Celery, signals
from celery.app.task import Task

app = Celery("audited", broker="redis://nowhere.invalid/0", set_as_current=False)
app.conf.task_max_retries = 9
task = partial(app.task, shared=False)
WAITS = (10, 60, 300)


class Refused(Exception):  # noqa: N818
    """As HTTP clients have them: it cannot be made without its response."""

    def __init__(self, response):
        super().__init__(response.status)


class LoudTask(Task):
    """Everything around its body would raise."""

    def before_start(self, *args):
        raise AssertionError("before_start ran")

    def on_retry(self, *args):
        raise AssertionError("on_retry ran")

    def on_failure(self, *args):
        raise AssertionError("on_failure ran")

    def apply_async(self, *args, **options):
        raise AssertionError("apply_async ran")

    def __call__(self, *args, **kwargs):
        raise AssertionError("__call__ ran")


@signals.task_prerun.connect
def hear(sender=None, **_):
    if sender is not None and sender.app is app:
        raise AssertionError("a signal receiver ran")


def never():
    raise AssertionError("a body ran")


@task(autoretry_for=(Refused,))
def fixed(user_id):
    never()


@task(autoretry_for=(OSError,), max_retries=5)
def five(user_id):
    never()


@task(autoretry_for=(OSError,), retry_backoff=True)
def jitter(user_id):
    never()


@task(
    autoretry_for=(OSError,),
    retry_backoff=True,
    retry_jitter=False,
    retry_kwargs={"max_retries": 5, "countdown": 3},
    max_retries=4,
    default_retry_delay=20,
)
def overruled(user_id):
    never()


@task(autoretry_for=(OSError,), max_retries=8, retry_backoff=30, retry_jitter=False, retry_max=9)
def clipped(user_id):
    never()


@task(autoretry_for=(OSError,), max_retries=None, default_retry_delay=60)
def forever(user_id):
    never()


@task(autoretry_for=(OSError,), max_retries=2, default_retry_delay=7200)
def late(user_id):
    never()


@task(autoretry_for=(OSError,), default_retry_delay=60, expires=100)
def expiring(user_id):
    never()


@task(autoretry_for=(OSError,), dont_autoretry_for=(Exception,))
def excepted(user_id):
    never()


@task(autoretry_for=(OSError,), time_limit=60)
def limited(user_id):
    never()


@task(base=LoudTask, autoretry_for=(OSError,), queue="elsewhere", rate_limit="1/h", ignore_result=False)
def loud(user_id):
    never()


@task(retry_backoff=True, retry_jitter=True)
def alone(user_id):
    never()


@task(bind=True)
def by_hand(self, user_id):
    try:
        never()
    except OSError as error:
        self.retry(exc=error)


@task(bind=True, max_retries=4)
def by_hand_doubling(self, user_id):
    try:
        never()
    except OSError as error:
        wait = 60 * 2**self.request.retries
        raise self.retry(exc=error, countdown=wait)


@task
def by_hand_steps(user_id):
    raise by_hand_steps.retry(countdown=WAITS[min(by_hand_steps.request.retries, 2)], max_retries=3)


@task(bind=True)
def by_hand_uniform(self, user_id):
    raise self.retry(countdown=random.uniform(10, 20))


@task(bind=True)
def by_hand_header(self, user_id):
    try:
        never()
    except Refused as refusal:
        raise self.retry(exc=refusal, countdown=int(refusal.response.headers["Retry-After"]))


def give_up_or_retry(task, error):
    raise task.retry(exc=error, countdown=5)


@task(bind=True)
def by_helper(self, user_id):
    try:
        never()
    except OSError as error:
        give_up_or_retry(self, error)


@task(bind=True)
def by_stranger(self, user_id):
    isinstance(self, LoudTask)
    user_id.sync(self)


@task(bind=True, max_retries=None)
def by_hand_counting(self, user_id):
    if self.request.retries < 3:
        raise self.retry(countdown=60)
