"""Bugs of acknowledgement: when the message goes, and what is delivered again."""

from __future__ import annotations

import time

from judges.explore.bank.bug import LATE, RETRIES, bug, call

ONE = "submit: [{task: work}]\n"


@bug(task="work", harm="lost", body=ONE, kinds="worker_killed")
def early_ack(app, fixed):
    """The message is acked when the body begins (celery#1810)."""

    @app.task(name="work", **RETRIES, **(LATE if fixed else {}))
    def work():
        time.sleep(2)
        call("PUT", "/row")


@bug(task="work", harm="failed", body=ONE, kinds="child_killed")
def pool_process_lost(app, fixed):
    """A pool process is killed for its memory: WorkerLostError, and no retry."""

    @app.task(name="work", acks_late=True, reject_on_worker_lost=fixed, **RETRIES)
    def work():
        time.sleep(2)


@bug(task="work", harm="twice", body=ONE, kinds="worker_killed connections_cut broker_restarted")
def late_ack_and_no_idempotency(app, fixed):
    """Acked late, and the call is not harmless to repeat."""

    @app.task(name="work", **LATE, **RETRIES)
    def work():
        call("PUT" if fixed else "POST", "/charge")


@bug(task="work", harm="lost", body=ONE, kinds="deploy")
def longer_than_the_grace_time(app, fixed):
    """A deployment kills what takes longer than its grace time."""

    @app.task(name="work", **(LATE if fixed else {}))
    def work():
        time.sleep(50)


@bug(task="work", harm="lost", body=ONE, kinds="cold_stop")
def cold_shutdown(app, fixed):
    """A cold shutdown drops what had been acked."""

    @app.task(name="work", **(LATE if fixed else {}))
    def work():
        time.sleep(20)


@bug(task="work", harm="twice", body="workers: {concurrency: 2}\n" + ONE, kinds="connections_cut")
def connection_cut_in_a_long_task(app, fixed):
    """The reconnect delivers again what still runs (celery#9663)."""

    @app.task(name="work", **LATE)
    def work():
        time.sleep(30)
        call("PUT" if fixed else "POST", "/charge")


@bug(task="work", harm="late", body=ONE, kinds="worker_killed")
def long_visibility_timeout(app, fixed):
    """What a dead worker held comes back when the visibility timeout is over."""
    app.conf.broker_transport_options = {"visibility_timeout": 60 if fixed else 1800}

    @app.task(name="work", **LATE)
    def work():
        time.sleep(2)


@bug(task="work", harm="twice", body=ONE, kinds="message_doubled")
def no_deduplication(app, fixed):
    """A publisher that sends again makes two."""

    @app.task(name="work")
    def work():
        call("PUT" if fixed else "POST", "/charge")


@bug(task="work", harm="failed", body="submit: [{task: work, expires: 2m}]\n", kinds="message_delayed")
def expiry(app, fixed):
    """The message expires in a queue that is slow for ten minutes."""
    if fixed:
        app.conf.task_publish_retry = True

    @app.task(name="work")
    def work():
        pass

    if fixed:
        original = work.apply_async
        work.apply_async = lambda *args, expires=None, **options: original(*args, **options)


@bug(task="first", harm="lost", body="submit: [{task: first}]\n", kinds="worker_killed")
def chain_by_hand(app, fixed):
    """The first task sends the second as its last line; killed before it, nobody does."""

    @app.task(name="first", **(LATE if fixed else {}))
    def first():
        time.sleep(2)
        second.delay()

    @app.task(name="second", **LATE)
    def second():
        pass


@bug(task="work", harm="lost", body="submit: [{task: work}]\n", kinds="worker_killed")
def polls_by_sending_itself(app, fixed):
    """A task that sends its own successor: the ack comes before the publish."""

    @app.task(name="work", **(LATE if fixed else {}))
    def work(left=2):
        time.sleep(1)
        if left:
            work.apply_async((left - 1,), countdown=5)


@bug(task="work", harm="twice", body=ONE, kinds="worker_killed")
def retry_published_before_the_ack(app, fixed):
    """Acked late: between the retry's publish and the ack there are two messages."""

    @app.task(name="work", bind=True, **LATE)
    def work(self):
        if self.request.retries == 0:
            raise self.retry(countdown=5)
        call("PUT" if fixed else "POST", "/charge")


@bug(task="work", harm="lost", body="submit: [{task: work}]\n", kinds="worker_killed")
def retry_in_memory_of_an_early_acked_task(app, fixed):
    """The second attempt is acked as early as the first."""

    @app.task(name="work", bind=True, **(LATE if fixed else {}))
    def work(self):
        if self.request.retries == 0:
            raise self.retry(countdown=30)
        time.sleep(2)
