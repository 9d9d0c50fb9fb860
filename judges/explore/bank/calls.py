"""Bugs of calling an API: answers that are lost, late, wrong or taken for what they are not."""

from __future__ import annotations

import time

import requests

from judges.explore.bank.bug import API, RETRIES, bug, call

ONE = "submit: [{task: work}]\n"


@bug(task="work", harm="twice", body=ONE, kinds="answer_lost")
def retries_a_call_whose_answer_was_lost(app, fixed):
    """The charge was made, the answer was lost, and it is made again."""

    @app.task(name="work", **RETRIES)
    def work():
        call("PUT" if fixed else "POST", "/charge")


@bug(task="work", harm="lost", body=ONE, kinds="api_5xx")
def takes_a_500_for_an_answer(app, fixed):
    """Nobody looks at the status."""

    @app.task(name="work", **RETRIES)
    def work():
        response = requests.post(API + "/row", timeout=5)
        if fixed:
            response.raise_for_status()


@bug(task="work", harm="failed", body=ONE, kinds="api_refused")
def no_retry(app, fixed):
    """One refused connection, and the task is given up."""

    @app.task(name="work", **(RETRIES if fixed else {}))
    def work():
        call("PUT", "/row")


@bug(task="work", harm="late", body=ONE, kinds="api_slow")
def no_timeout(app, fixed):
    """A client without a timeout waits as long as the server likes."""

    @app.task(name="work", **RETRIES)
    def work():
        call("PUT", "/row", timeout=5 if fixed else None)


@bug(task="work", harm="failed", body=ONE, kinds="api_slow")
def retries_the_wrong_exception(app, fixed):
    """Python's own ConnectionError is none of requests'."""
    wanted = requests.RequestException if fixed else ConnectionError

    @app.task(name="work", **{**RETRIES, "autoretry_for": (wanted,)})
    def work():
        call("PUT", "/row")


@bug(task="work", harm="lost", body=ONE, kinds="api_refused")
def swallows_every_exception(app, fixed):
    """`except Exception: pass`."""

    @app.task(name="work", bind=True, max_retries=20, default_retry_delay=20)
    def work(self):
        try:
            call("POST", "/row")
        except Exception as error:
            if fixed:
                raise self.retry(exc=error)


@bug(task="work", harm="failed", body=ONE, kinds="api_429")
def no_answer_to_429(app, fixed):
    """A 429 is an error like any other, and nothing is retried."""

    @app.task(name="work", bind=True, max_retries=20)
    def work(self):
        response = requests.put(API + "/row", timeout=5)
        if fixed and response.status_code == 429:
            raise self.retry(countdown=30)
        response.raise_for_status()


@bug(task="work", harm="failed", body=ONE, needs="two faults", kinds="api_429")
def waits_once_for_a_limit(app, fixed):
    """Sleeps in the body and asks once more; a second 429 is one too many."""

    @app.task(name="work", bind=True, max_retries=20)
    def work(self):
        response = requests.put(API + "/row", timeout=5)
        if response.status_code == 429:
            time.sleep(30)
            response = requests.put(API + "/row", timeout=5)
        if fixed and response.status_code == 429:
            raise self.retry(countdown=30)
        response.raise_for_status()


@bug(task="work", harm="twice", body=ONE, kinds="api_5xx")
def debit_and_credit_in_one_task(app, fixed):
    """The second call fails, and the retry makes the first again."""

    @app.task(name="work", **RETRIES)
    def work():
        call("PUT" if fixed else "POST", "/debit")
        call("PUT", "/credit")


@bug(task="work", harm="twice", body=ONE, kinds="api_refused api_5xx")
def mails_before_it_saves(app, fixed):
    """The mail goes out, the save fails, and the retry mails again."""

    @app.task(name="work", **RETRIES)
    def work():
        steps = [("POST", "/mail"), ("PUT", "/status")]
        for method, path in reversed(steps) if fixed else steps:
            call(method, path)


@bug(task="work", harm="twice", body=ONE, kinds="api_5xx")
def a_batch_that_begins_anew(app, fixed):
    """Three items in a loop; the third fails, and all three are sent again."""

    @app.task(name="work", **RETRIES)
    def work():
        for number in range(3):
            call("PUT" if fixed else "POST", f"/items/{number}")


@bug(task="work", harm="twice", body=ONE, kinds="api_5xx")
def throw_false(app, fixed):
    """`retry(throw=False)` returns, and the body goes on."""

    @app.task(name="work", bind=True, max_retries=20)
    def work(self):
        try:
            call("PUT", "/row")
        except requests.RequestException as error:
            if fixed:
                raise self.retry(exc=error, countdown=10)
            self.retry(exc=error, countdown=10, throw=False)
        call("POST", "/audit")


@bug(task="work", harm="failed", body="submit: [{task: work, expires: 60s}]\n", kinds="api_5xx")
def expires_before_the_retry(app, fixed):
    """The retry's message carries the same expiry, and its countdown is longer."""

    @app.task(name="work", **{**RETRIES, "default_retry_delay": 10 if fixed else 120})
    def work():
        call("PUT", "/row")


@bug(task="work", harm="failed", body=ONE, kinds="api_slow")
def hard_time_limit(app, fixed):
    """The API hangs, the time limit kills the process, and that is a failure for good."""

    @app.task(name="work", time_limit=60, **RETRIES)
    def work():
        call("PUT", "/row", timeout=5 if fixed else 300)


@bug(task="work", harm="failed", body=ONE, needs="two faults", kinds="api_5xx api_refused")
def one_retry_only(app, fixed):
    """Two bad answers in a row are one too many."""

    @app.task(name="work", **{**RETRIES, "max_retries": 20 if fixed else 1})
    def work():
        call("PUT", "/row")


@bug(task="work", harm="failed", body=ONE, needs="two faults", kinds="api_5xx api_refused api_slow")
def a_fallback_without_a_retry(app, fixed):
    """The second host is as mortal as the first."""

    @app.task(name="work", **(RETRIES if fixed else {}))
    def work():
        try:
            call("PUT", "/primary")
        except requests.RequestException:
            call("PUT", "/secondary")


@bug(task="work", harm="failed", body=ONE, needs="two faults", kinds="api_5xx answer_lost api_refused")
def an_audit_of_retries_that_may_fail(app, fixed):
    """What only a retry does has never failed before."""

    @app.task(name="work", bind=True, max_retries=20)
    def work(self):
        try:
            if self.request.retries:
                try:
                    call("PUT", "/retried")
                except requests.RequestException:
                    if not fixed:
                        raise ValueError("no audit, no work") from None
            call("PUT", "/row")
        except requests.RequestException as error:
            raise self.retry(exc=error, countdown=10)


@bug(task="work", harm="twice", body=ONE, needs="two faults", kinds="api_5xx api_refused answer_lost")
def a_rollback_that_is_not_made(app, fixed):
    """Undoing the debit fails, too, and then the retry debits again."""

    @app.task(name="work", **RETRIES)
    def work():
        call("PUT" if fixed else "POST", "/reserve/1")
        try:
            call("PUT", "/confirm/1")
        except requests.RequestException:
            call("DELETE", "/reserve/1")
            return


@bug(task="cleanup", harm="lost", body=ONE, needs="two faults", kinds="api_refused worker_killed")
def an_error_handler_that_is_acked_early(app, fixed):
    """The task that tidies up after a failure is itself not safe."""

    @app.task(name="work", bind=True)
    def work(self):
        try:
            call("PUT", "/row")
        except requests.RequestException:
            cleanup.delay()

    @app.task(name="cleanup", **({"acks_late": True, "reject_on_worker_lost": True} if fixed else {}))
    def cleanup():
        call("PUT", "/tidy")
