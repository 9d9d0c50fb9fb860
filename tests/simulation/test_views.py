"""What a test asks a simulation beside states: queues, published messages, instants, waste; and what it reads."""

from datetime import UTC, datetime, timedelta

import pytest
import requests
from celery import Celery

from retrysim import InputError, Simulation, Violation
from retrysim.fakes import API
from retrysim.invariants import no_task_fails, retries_follow_policy, retry_counts_are_respected

START = "2015-08-03T12:00:00Z"
NOON = datetime(2015, 8, 3, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def app():
    app = Celery("views", broker="redis://nobody.example/0", set_as_current=False)

    @app.task(name="views.lucky", shared=False, bind=True)
    def lucky(self):
        if not self.request.retries:
            raise self.retry(countdown=900)

    @app.task(name="views.backs_off", shared=False, autoretry_for=(ValueError,), retry_backoff=5, retry_jitter=False)
    def backs_off():
        raise ValueError("no")

    @app.task(name="views.call", shared=False, bind=True, max_retries=None)
    def call(self):
        response = requests.get("https://crm.acme.io/", timeout=5)
        if response.status_code == 429:
            raise self.retry(countdown=int(response.headers["Retry-After"]))

    return app


@pytest.fixture
def sim():
    with Simulation(start=START) as simulation:
        yield simulation


def test_a_settled_task_knows_when_it_settled_and_its_attempts_when_they_ran(sim, app):
    sim.start_worker(app)
    result = app.tasks["views.lucky"].delay()
    sim.run_for(60)
    assert sim.task(result.id).settled_at is None
    sim.run()

    task = sim.task(result.id)
    assert task.settled_at == NOON + timedelta(minutes=15)
    assert [(attempt.started_at, attempt.ended_at) for attempt in task.attempts] == [
        (NOON, NOON),
        (NOON + timedelta(minutes=15), NOON + timedelta(minutes=15)),
    ]
    assert repr(task.attempts) == (
        "[<attempt 1 on worker-1 at 2015-08-03T12:00:00+00:00: RETRY>, "
        "<attempt 2 on worker-1 at 2015-08-03T12:15:00+00:00: SUCCESS>]"
    )


@pytest.mark.parametrize("broker", ["memory", "redis"])
def test_the_depth_of_a_queue_is_what_no_worker_has_taken(app, broker):
    with Simulation(start=START, broker=broker) as sim:
        sim.start_worker(app)
        for _ in range(5):
            app.tasks["views.lucky"].apply_async(queue="mail")
        app.tasks["views.lucky"].delay()

        assert sim.queue("mail").depth == 5
        sim.run()
        assert (sim.queue("mail").depth, sim.queue("celery").depth) == (5, 0)
        assert repr(sim.queue("mail")).startswith("<queue 'mail', 5 messages: views.lucky[")
        with pytest.raises(InputError) as caught:
            sim.queue("mial")
        assert str(caught.value) == "no queue 'mial' in this run; did you mean 'mail'?"


def test_published_messages_are_found_by_task_queue_retries_and_eta(sim, app):
    sim.start_worker(app)
    for _ in range(3):
        app.tasks["views.lucky"].delay()
    sim.run()

    assert len(sim.published(task="lucky")) == 6
    assert sim.published(task="views.lucky", retries=0, count=3)
    assert sim.published(task="lucky", eta="15 minutes", count=3)
    assert sim.published(eta=NOON + timedelta(minutes=15), count=3)
    assert sim.published(queue="mail", count=0)
    [first, *_] = sim.published(retries=1)
    assert (first.task, first.queue, first.sent_at, first.eta) == (
        "views.lucky", "celery", NOON, NOON + timedelta(minutes=15),
    )  # fmt: skip


def test_published_says_what_was_published_instead(sim, app):
    sim.start_worker(app)
    app.tasks["views.lucky"].delay()
    sim.run()

    with pytest.raises(Violation) as caught:
        sim.published(task="lucky", eta="10 minutes", count=1)
    assert str(caught.value) == (
        "published: expected 1 messages (task='lucky', eta='10m'), got 0\n"
        "  1 x task='views.lucky', queue='celery', retries=0\n"
        "  1 x task='views.lucky', queue='celery', retries=1, eta='15m'"
    )
    with pytest.raises(InputError, match="has no time zone"):
        sim.published(eta=datetime(2015, 8, 3))


def test_waste_follows_the_closed_forms_of_everybody_retries_at_the_reset(sim, app):
    # N tasks, L calls per window: ceil(N/L) windows, sum of (N - kL) calls, N^2/2L - N/2 of them refused.
    sim.serve(API("https://crm.acme.io", limit="10 per minute", per="all"))
    sim.start_worker(app, concurrency=4)
    for _ in range(40):
        app.tasks["views.call"].delay()
    sim.run()

    [waste] = sim.waste
    assert (waste.served, waste.refused) == (40, 60)
    assert (waste.peak, waste.limit, waste.quota_used) == (40, 10, 1.0)
    assert (waste.drained_in, waste.optimum) == (timedelta(minutes=3), timedelta(minutes=3))
    assert str(waste) == (
        "crm.acme.io requests (everybody-1): 40 served, 60 refused, peak 40 of 10 per window, 100% of the quota used, "
        "drained in 3m (optimum 3m)"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "optimum"),
    [
        ({"limit": "10 per minute"}, timedelta(minutes=4)),
        ({"limit": "10 per minute", "algorithm": "sliding log"}, timedelta(minutes=4)),
        ({"limit": "10 per minute", "algorithm": "token bucket"}, timedelta(minutes=3, seconds=30)),
        ({"limit": "10 per minute", "algorithm": "leaky bucket"}, timedelta(minutes=3, seconds=30)),
        ({"limit": "50 per second", "algorithm": "concurrency"}, timedelta()),
        ({"limit": "40 per second", "algorithm": "concurrency"}, None),
    ],
)
def test_the_optimum_is_that_of_the_limit_whatever_its_algorithm(sim, app, limit, optimum):
    sim.serve(API("https://crm.acme.io", per="all", **limit))
    sim.start_worker(app, concurrency=4)
    for _ in range(45):
        app.tasks["views.call"].delay()
    sim.run()

    [waste] = sim.waste
    assert (waste.served, waste.optimum) == (45, optimum)
    if "concurrency" in limit.values():
        assert waste.quota_used is None
        assert str(waste).endswith("drained in 0s (optimum 0s)" if optimum is not None else "(optimum unknown)")


def test_a_task_is_held_to_the_retries_that_it_declares(sim, app):
    sim.start_worker(app)
    backs_off = app.tasks["views.backs_off"]
    result = backs_off.delay()
    sim.run()

    lucky = app.tasks["views.lucky"].delay()
    sim.run()

    assert sim.task(result.id).timeline == "RETRY 5s RETRY 10s RETRY 20s FAILURE"
    assert sim.task(lucky.id).timeline == "RETRY 15m SUCCESS"
    sim.check(
        no_task_fails(but="backs_off"),
        retries_follow_policy,
        retries_follow_policy(backs_off),
        retry_counts_are_respected(backs_off),
        retries_follow_policy(task="lucky", countdown="15 minutes"),
    )
    with pytest.raises(Violation) as caught:
        sim.check(no_task_fails(but="backs_off"), retries_follow_policy(task="backs_off", countdown=5))
    assert str(caught.value).splitlines()[0] == (
        "retries_follow_policy(task='backs_off', countdown=5): "
        f"{sim.task(result.id).label} asked at 12:00:05 for retry 2 in 10s; its policy implies 5s"
    )
