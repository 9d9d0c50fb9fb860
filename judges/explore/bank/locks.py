"""Bugs of locks and marks in Redis: who holds them on, and what is skipped because of them."""

from __future__ import annotations

import os
import time

import redis

from judges.explore.bank.bug import LATE, RETRIES, bug, call

#: A simulation serves any Redis; a live run names its own.
STORE = redis.Redis.from_url(os.environ.get("BANK_REDIS", "redis://locks.example:6379"))
TWO = "redis: true\nsubmit: [{task: work, at: [0s, 10m]}]\n"


def locked(name, **options):
    return bool(STORE.set(name, 1, nx=True, **options))


@bug(task="work", harm="lost", body=TWO, kinds="worker_killed child_killed")
def a_lock_that_outlives_its_holder(app, fixed):
    """The holder is killed, the lock stays, and whoever comes later finds it taken and skips."""

    @app.task(name="work", bind=True, max_retries=20, **LATE)
    def work(self):
        if not locked("work", **({"ex": 30} if fixed else {})):
            if fixed:  # it may be delivered again before the lock of its dead holder is over
                raise self.retry(countdown=20)
            return
        time.sleep(2)
        call("POST", "/report")
        STORE.delete("work")


@bug(task="work", harm="lost", body=TWO, kinds="api_refused api_5xx")
def a_lock_that_is_not_released_on_error(app, fixed):
    """An exception jumps over the release; the retry finds the lock taken and skips."""

    @app.task(name="work", **RETRIES)
    def work():
        if not locked("work"):
            return
        try:
            call("POST", "/report")
        except Exception:
            if fixed:
                STORE.delete("work")
            raise
        STORE.delete("work")


@bug(task="work", harm="lost", body="redis: true\nsubmit: [{task: work}]\n", kinds="worker_killed child_killed")
def marks_as_done_before_it_does(app, fixed):
    """The mark is set, the worker dies, and the second delivery takes it for done."""

    @app.task(name="work", **LATE)
    def work():
        if STORE.get("done"):
            return
        if not fixed:
            STORE.set("done", 1)
        time.sleep(2)
        call("POST", "/report")
        if fixed:
            STORE.set("done", 1)


@bug(task="work", harm="failed", body="redis: true\nsubmit: [{task: work}]\n", kinds="worker_killed child_killed")
def gives_up_on_a_lock_too_soon(app, fixed):
    """Delivered again, it waits for its own dead holder, and not long enough."""

    @app.task(name="work", bind=True, max_retries=20 if fixed else 1, **LATE)
    def work(self):
        if not locked("work", ex=300):
            raise self.retry(countdown=60)
        time.sleep(2)
        STORE.delete("work")


@bug(task="work", harm="lost", body="redis: true\nsubmit: [{task: work}]\n", kinds="answer_lost api_5xx")
def a_unique_task_that_refuses_its_own_retry(app, fixed):
    """The lock of a unique task is taken at its first attempt, and its retry is refused as a second one."""

    @app.task(name="work", bind=True, **RETRIES)
    def work(self):
        if not locked("unique") and not (fixed and self.request.retries):
            return
        call("POST", "/report")


RACE = "redis: true\nworkers: {count: 2}\n"


@bug(
    task="reader", harm="failed", needs="an order", kinds="results_slow",
    body=RACE + "submit: [{task: reader}, {task: writer}]\n",
)  # fmt: skip
def a_row_that_is_not_there_yet(app, fixed):
    """Two tasks sent together, and one takes for granted what the other writes."""

    @app.task(name="writer")
    def writer():
        STORE.set("row", 1)

    @app.task(name="reader", bind=True, max_retries=20)
    def reader(self):
        if not STORE.get("row"):
            if fixed:
                raise self.retry(countdown=5)
            raise LookupError("no such row")


@bug(
    task="second", harm="lost", needs="an order", kinds="results_slow",
    body=RACE + "submit: [{task: first}, {task: second, at: 5s}]\n",
)  # fmt: skip
def skips_when_locked_at_the_same_instant(app, fixed):
    """The lock is released at the instant at which the second one asks for it."""

    @app.task(name="first")
    def first():
        locked("report")
        time.sleep(10)
        STORE.delete("report")

    @app.task(name="second", bind=True, max_retries=20)
    def second(self):
        time.sleep(5)
        if not locked("report"):
            if fixed:
                raise self.retry(countdown=5)
            return
        call("POST", "/report")


@bug(
    task="second", harm="twice", needs="an order", kinds="results_slow",
    body=RACE + "submit: [{task: first}, {task: second, at: 5s}]\n",
)  # fmt: skip
def checks_before_it_acts(app, fixed):
    """Both see that nothing was sent yet, if they look in the wrong order."""

    @app.task(name="first")
    def first():
        time.sleep(10)
        if not STORE.get("sent") if not fixed else locked("sent"):
            STORE.set("sent", 1)
            call("POST", "/mail")

    @app.task(name="second")
    def second():
        time.sleep(5)
        if not STORE.get("sent") if not fixed else locked("sent"):
            if fixed:
                STORE.set("sent", 1)
            call("POST", "/mail")


@bug(
    task="late", harm="failed", needs="an order", kinds="results_slow",
    body=RACE + "submit: [{task: early}, {task: late, at: 5s}]\n",
)  # fmt: skip
def a_version_that_changed_meanwhile(app, fixed):
    """Reads a version, works, and finds another one: the other's write came between."""

    @app.task(name="early")
    def early():
        time.sleep(10)
        STORE.incr("version")

    @app.task(name="late", bind=True, max_retries=20)
    def late(self):
        time.sleep(5)
        version = STORE.get("version")
        time.sleep(1)
        if STORE.get("version") != version:
            if fixed:
                raise self.retry(countdown=5)
            raise RuntimeError("somebody else wrote")


@bug(
    task="third", harm="failed", needs="an order", kinds="results_slow",
    body="redis: true\nworkers: {count: 3}\nsubmit: [{task: third}, {task: second}, {task: first}]\n",
)  # fmt: skip
def three_steps_that_must_come_in_order(app, fixed):
    """Each looks for what the one before it wrote."""

    @app.task(name="first")
    def first():
        STORE.set("step", 1)

    @app.task(name="second")
    def second():
        STORE.set("step", 2)

    @app.task(name="third", bind=True, max_retries=20)
    def third(self):
        if not STORE.get("step"):
            if fixed:
                raise self.retry(countdown=5)
            raise LookupError("no step was made")
