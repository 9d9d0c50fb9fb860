"""Tasks that do what Celery's manual says one can do: what becomes of them is the same on a real worker, or a bug."""

import json
import os
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import requests
from celery import Celery, chain, chord, group
from celery.canvas import StampingVisitor
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from greenlet import GreenletExit
from kombu import Exchange, Queue

app = Celery("conformance", broker="redis://localhost:6379/0", backend="redis://localhost:6379/0", set_as_current=False)
app.conf.broker_transport_options = {
    "visibility_timeout": int(os.environ.get("VISIBILITY_TIMEOUT", 3600)),
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
}
app.conf.worker_soft_shutdown_timeout = float(os.environ.get("SOFT_SHUTDOWN", 0))
app.conf.worker_enable_soft_shutdown_on_idle = bool(os.environ.get("SOFT_SHUTDOWN"))
app.conf.worker_prefetch_multiplier = int(os.environ.get("PREFETCH", 4))
app.conf.result_chord_retry_interval = 10
app.conf.worker_deduplicate_successful_tasks = bool(os.environ.get("DEDUPLICATE"))
if os.environ.get("TOPICS"):
    news = Exchange("news", type="topic")
    app.conf.task_queues = [
        Queue("celery", news, routing_key="news.#"),
        Queue("sport", news, routing_key="news.sport.#"),
    ]
if os.environ.get("QUORUM"):
    tasks = Exchange("tasks", type="topic")  # native delayed delivery skips direct exchanges
    app.conf.task_queues = [Queue("celery", tasks, routing_key="celery", queue_arguments={"x-queue-type": "quorum"})]
if os.environ.get("QUEUE_ARGUMENTS"):
    _dead = Exchange("dead", type="fanout")
    app.conf.task_queues = [
        Queue("celery", queue_arguments=json.loads(os.environ["QUEUE_ARGUMENTS"])),
        Queue("dead", _dead),
    ]
if os.environ.get("ALTERNATE"):
    _unrouted = Exchange("unrouted", type="fanout")
    _main = Exchange("celery", type="direct", arguments={"alternate-exchange": "unrouted"})
    app.conf.task_queues = [Queue("celery", _main, routing_key="celery"), Queue("unrouted", _unrouted)]


@app.task
def add(x, y):
    return x + y


@app.task
def fail(*_):
    raise ValueError("no")


@app.task(bind=True)
def fail_after_retries(self, countdown=20, max_retries=3):
    raise self.retry(countdown=countdown, max_retries=max_retries, exc=ValueError("no"))


@app.task(bind=True)
def succeed_after(self, retries, countdown=20):
    if self.request.retries < retries:
        raise self.retry(countdown=countdown)
    return self.request.retries


@app.task(bind=True)
def succeed_at_an_eta(self):
    if not self.request.retries:
        raise self.retry(eta=datetime.now(UTC) + timedelta(seconds=20))


@app.task(autoretry_for=(ValueError,), retry_backoff=10, retry_jitter=False, max_retries=3)
def back_off():
    raise ValueError("no")


@app.task(bind=True)
def retry_without_raising(self):
    if not self.request.retries:
        self.retry(countdown=20, throw=False)
    return "went on"


@app.task
def ignore():
    raise Ignore


@app.task(acks_late=True)
def reject():
    raise Reject("not for me", requeue=False)


@app.task
def sleep(seconds):
    time.sleep(seconds)


@app.task(acks_late=True)
def sleep_late(seconds):
    time.sleep(seconds)


@app.task(acks_late=True, reject_on_worker_lost=True)
def sleep_for_sure(seconds):
    time.sleep(seconds)


@app.task(soft_time_limit=20)
def give_up_softly():
    try:
        time.sleep(60)
    except SoftTimeLimitExceeded:
        return "gave up"


@app.task(soft_time_limit=20)
def be_interrupted():
    time.sleep(60)


@app.task(bind=True, soft_time_limit=20, max_retries=1)
def try_again_after_the_limit(self):
    try:
        time.sleep(60)
    except SoftTimeLimitExceeded as error:
        raise self.retry(countdown=20, exc=error)


@app.task(time_limit=20)
def be_killed():
    time.sleep(120)


@app.task(time_limit=20, acks_late=True)
def be_killed_late():
    time.sleep(120)


@app.task(rate_limit="3/m")
def limited():
    pass


@app.task(bind=True, max_retries=None)
def call(self):
    response = requests.get("https://api.example/things", headers={"Authorization": "Bearer abc"}, timeout=10)
    if response.status_code == 429:
        raise self.retry(countdown=int(response.headers["Retry-After"]))
    return response.status_code


@app.task(bind=True)
def call_once_more(self):
    """Reads the reset first, from an endpoint that is limited itself."""
    headers = {"Authorization": "Bearer abc"}
    response = requests.get("https://api.example/things", headers=headers, timeout=10)
    if response.status_code == 429:
        status = requests.get("https://status.example/things", headers=headers, timeout=10)
        status.raise_for_status()
        raise self.retry(countdown=int(response.headers["Retry-After"]))
    return response.status_code


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def start_chord():
    chord([add.s(1, 2), add.s(3, 4)])(total.s())


@app.task
def start_chord_with_a_failing_member():
    chord([add.s(1, 2), fail.s()])(total.s())


@app.task
def start_chord_with_a_retried_member():
    chord([add.s(1, 2), succeed_after.s(1)])(total.s())


@app.task
def start_chain():
    chain(succeed_after.s(1), add.s(3), fail.s(), add.s(1))()


@app.task
def start_group():
    group(add.s(1, 2), fail.s(), succeed_after.s(2))()


class Unpicklable(Exception):  # noqa: N818
    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


@app.task
def raise_what_cannot_be_pickled():
    raise Unpicklable("no")


@app.task
def return_what_cannot_be_serialised():
    return object()


@app.task
def exit_at_once(code):
    os._exit(code)


@app.task(acks_late=True, reject_on_worker_lost=True)
def exit_at_once_the_first_time(key):
    """Which time it is, is kept by the one thing that outlives a pool process here: whether it was delivered before."""
    if not exit_at_once_the_first_time.request.delivery_info.get("redelivered"):
        os._exit(3)
    return key


@app.task
def exit_the_interpreter():
    sys.exit(3)


@app.task(acks_late=True)
def exit_the_interpreter_late():
    sys.exit(3)


@app.task
def be_interrupted_by_the_keyboard():
    raise KeyboardInterrupt


@app.task
def end_the_greenlet():
    raise GreenletExit("bye")


@app.task
def start_chord_in_a_chord():
    chord([chord([add.s(1, 2), succeed_after.s(1)], total.s()), add.s(3, 4)])(total.s())


@app.task
def start_chord_around_one_whose_member_fails():
    chord([chord([add.s(1, 2), fail.s()], total.s()), add.s(3, 4)])(total.s())


@app.task
def start_chord_around_one_whose_body_fails():
    chord([chord([add.s(1, 2), add.s(1, 2)], fail.s()), add.s(3, 4)])(total.s())


class Tenant(StampingVisitor):
    """Stamps every signature that it comes to."""

    def on_signature(self, _signature, **_headers):
        return {"tenant": "acme"}


@app.task(bind=True)
def expect_stamp(self, *_):
    if (self.request.stamps or {}).get("tenant") != "acme":
        raise ValueError(f"stamps: {self.request.stamps}")


@app.task(bind=True)
def expect_stamp_after(self, retries):
    if self.request.retries < retries:
        raise self.retry(countdown=20)
    if (self.request.stamps or {}).get("tenant") != "acme":
        raise ValueError(f"stamps: {self.request.stamps}")


@app.task(bind=True)
def replace_by_one_that_expects_a_stamp(self):
    return self.replace(expect_stamp.si().set(countdown=10))  # after this attempt, which has the same id, has ended


@app.task
def start_stamped():
    """A chain, a group, a chord, a link, a retry: five canvases whose tasks succeed with their stamp only."""
    linked = expect_stamp.si()
    linked.link(expect_stamp.si())
    for canvas in (
        chain(expect_stamp.si(), expect_stamp.si()),
        group(expect_stamp.si(), expect_stamp_after.si(1)),
        chord([expect_stamp.si(), expect_stamp.si()], expect_stamp.si()),
        linked,
        replace_by_one_that_expects_a_stamp.si(),
    ):
        canvas.stamp(Tenant())
        canvas.apply_async()


@app.task
def revoke_stamped():
    waits = expect_stamp.si().set(countdown=60)
    waits.stamp(tenant="acme")
    waits.apply_async()
    expect_stamp.si().set(countdown=60).apply_async()
    app.control.revoke_by_stamped_headers({"tenant": ["acme"]})


@app.task
def shut_down():
    app.control.shutdown()


@app.task
def publish_by_topic():
    """To a queue whose key fits, to one more that is bound to the same topic, and to both by a key alone."""
    add.apply_async((1, 2), queue="sport", routing_key="news.arts")
    add.apply_async((3, 4), queue="sport", routing_key="news.sport.football")
    add.apply_async((5, 6), exchange="news", routing_key="news.sport.football")


@app.task(bind=True)
def retry_with_all_headers(self):
    """As somebody writes it who wants to keep a header of their own."""
    if self.request.retries < 2:
        raise self.retry(countdown=3, headers=self.request.headers)  # RabbitMQ's own time is never scaled


@app.task(bind=True, acks_late=True)
def reject_the_first_time(self):
    """Dead letters say where they died."""
    deaths = (self.request.headers or {}).get("x-death")
    if not deaths:
        raise Reject("not for me", requeue=False)
    return [(death["queue"], death["reason"], death["count"]) for death in deaths]


@app.task
def publish_to_nobody():
    add.apply_async((1, 2), exchange="celery", routing_key="nobody")


@app.task(bind=True)
def replace_itself(self):
    return self.replace(succeed_after.si(1, countdown=13).set(countdown=7))  # after this attempt has ended


@app.task
def send_for_later():
    succeed_after.apply_async((1,), {"countdown": 13}, eta=datetime.now(UTC) + timedelta(seconds=29))
    add.apply_async((1, 2), countdown=17)


@app.task
def revoke_what_it_sends():
    sent = sleep_late.apply_async((53,), countdown=5)
    time.sleep(11)
    sent.revoke(terminate=True)
