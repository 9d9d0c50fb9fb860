"""Every sentence that an audit can say, verbatim; and that what is said without being played is so."""

import time

import pytest
from celery import Celery

from retrysim import Simulation


def said(task, kind):
    return [finding.text for finding in task.all_findings if finding.kind == kind]


@pytest.mark.parametrize(
    ("name", "kind", "sentences"),
    [
        (
            "fixed",
            "lost",
            [
                "retries 3 times within 9m, then ends in FAILURE: a window of 1m is outlived, "
                "one of 15m costs every task"
            ],
        ),
        (
            "late",
            "lost",
            ["retries twice within 4h, then ends in FAILURE: a window of 1h is outlived, one of 1d costs every task"],
        ),
        ("forever", "lost", ["retries without end: no outage is too long for it, none ends in FAILURE"]),
        ("alone", "lost", ["not retried: the first error ends it in FAILURE"]),
        (
            "five",
            "edge",
            [
                "the last try falls exactly on the end of a window of 15m: it is served if the API is not a moment late, "
                "and refused if it is"
            ],
        ),
        ("forever", "herd", ["every refused copy comes back in the same instant, every 1m, and never gives up"]),
        (
            "late",
            "visibility-timeout",
            [
                "a delay of 2h passes the visibility timeout of 1h (redis's default): the waiting message is delivered "
                "again, and the task runs more than once"
            ],
        ),
        (
            "expiring",
            "expires",
            ["expires=100 is not renewed by a retry: the message expires while it waits, and ends as REVOKED"],
        ),
        (
            "limited",
            "time-limit",
            [
                "a body that runs into time_limit=1m is killed from outside: autoretry_for does not see it; "
                "a soft_time_limit raises inside the body"
            ],
        ),
        (
            "overruled",
            "no-effect",
            [
                "retry_kwargs['countdown'] under retry_backoff: the backoff decides",
                "default_retry_delay=20 under retry_backoff: the backoff decides",
                "max_retries=4 on the task: retry_kwargs['max_retries']=5 counts",
            ],
        ),
        (
            "alone",
            "no-effect",
            ["retry_backoff and retry_jitter without autoretry_for: Celery reads them for automatic retries only"],
        ),
        ("excepted", "no-effect", ["dont_autoretry_for excepts all that autoretry_for names: it is never retried"]),
        (
            "clipped",
            "clipped",
            ["retry_backoff_max=600, Celery's default: from retry 6 on the backoff stays at 10m"],
        ),
        (
            "clipped",
            "unknown-name",
            ["retry_max is no setting of Celery, which never reads it; did you mean 'max_retries'?"],
        ),
        (
            "by_hand_header",
            "by-hand",
            [
                "`self.retry(exc=refusal, countdown=int(refusal.response.headers['Retry-After']))` (line 150) cannot be "
                "judged without its arguments: it depends on `refusal`"
            ],
        ),
        (
            "loud",
            "left-out",
            ["__call__ and apply_async of its class did not run: what it may add to retries is not in these figures"],
        ),
        (
            "by_hand_counting",
            "by-hand",
            [
                "`self.retry(countdown=60)` (line 174) cannot be judged without its arguments: the body counts its "
                "retries itself: `self.request.retries < 3`"
            ],
        ),
        (
            "by_stranger",
            "by-hand",
            [
                "`user_id.sync(self)` (line 168) cannot be judged without its arguments: it is given to a function that cannot be "
                "read here"
            ],
        ),
    ],
)
def test_a_sentence(audited, name, kind, sentences):
    assert said(audited[name], kind) == sentences


def test_a_setting_of_the_app_that_celery_does_not_know(report):
    [finding] = report.findings

    assert finding.text == (
        "app.conf: task_max_retries is no setting of Celery, which never reads it; it is an option of a task: "
        "@app.task(max_retries=...), or task_annotations for all of them"
    )


def test_a_plain_policy_is_not_complained_about(audited):
    assert {finding.kind for finding in audited["fixed"].all_findings} == {"lost"}


def test_a_body_that_is_killed_at_its_time_limit_is_not_retried():
    app = Celery("slow", broker="memory://", set_as_current=False)

    @app.task(autoretry_for=(Exception,), time_limit=60, shared=False)
    def slow():
        time.sleep(61)

    with Simulation() as sim:
        sim.start_worker(app)
        slow.delay()
        sim.run()

    [task] = sim.trace.tasks.values()
    assert ([attempt.state for attempt in task.attempts], task.retries) == (["FAILURE"], [])
