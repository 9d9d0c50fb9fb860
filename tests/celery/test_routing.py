"""Where messages go: exchanges of each type, and what the trace says of the queues that they came into."""

import pytest
from celery.exceptions import Reject
from kombu import Exchange, Queue
from kombu.common import Broadcast
from semantics_apps import START, make_app

from retrysim import Simulation, Violation
from retrysim.invariants import queues_drain

NEWS = Exchange("news", type="topic")
BY_TOPIC = [
    Queue("sport", NEWS, routing_key="news.sport.#"),
    Queue("all", NEWS, routing_key="news.#"),
    Queue("arts", NEWS, routing_key="news.*.arts"),
]


@pytest.fixture(params=["memory", "redis"])
def sim(request):
    with Simulation(start=START, broker=request.param) as simulation:
        yield simulation


def queues_of(sim):
    return [event.queue for event in sim.trace if event.kind == "task-sent"]


def test_a_topic_of_celerys_manual_leads_to_the_queue_whose_key_fits(sim):
    app = make_app(
        task_default_queue="default",
        task_default_exchange="tasks",
        task_default_exchange_type="topic",
        task_default_routing_key="task.default",
        task_queues=[Queue("default", routing_key="task.#"), Queue("feeds", routing_key="feed.#")],
        task_routes={"now": {"queue": "feeds", "routing_key": "feed.import"}, "nap": {"routing_key": "feed.nap"}},
    )
    sim.start_worker(app, name="first", queues=["default"])
    sim.start_worker(app, name="second", queues=["feeds"])
    sent = [
        app.tasks["add"].delay(1, 2),
        app.tasks["add"].apply_async((1, 2), routing_key="feed.sport.football"),
        app.tasks["now"].delay(),
        app.tasks["nap"].delay(1),
    ]
    sim.run()

    assert [sim.task(task.id).attempts[0].worker for task in sent] == ["first", "second", "second", "second"]
    assert queues_of(sim) == ["default", "feeds", "feeds", "feeds"]
    assert len(sim.published(queue="feeds")) == 3


def test_a_message_runs_once_for_each_queue_whose_topic_fits(sim):
    app = make_app(task_queues=BY_TOPIC)
    sim.start_worker(app)
    result = app.tasks["add"].apply_async((1, 2), queue="arts", routing_key="news.sport.arts")
    sim.run()

    assert len(sim.task(result.id).attempts) == 3
    assert sorted(queues_of(sim)[0].split(", ")) == ["all", "arts", "sport"]
    assert sim.published(queue="sport", count=1)


def send_by_exchange_and_key_alone(sim):
    """As to a real Redis and a real RabbitMQ, from a process that has not sent anything else before."""
    app = make_app(task_queues=BY_TOPIC)
    sim.start_worker(app)
    first, second, third = (
        app.tasks["add"].apply_async((1, 2), **where)
        for where in (
            {"exchange": "news", "routing_key": "news.sport.football"},
            {"queue": "arts"},
            {"exchange": "news", "routing_key": "news.sport.football"},
        )
    )
    sim.run()
    return [len(sim.task(task.id).attempts) for task in (first, second, third)]


def test_a_publisher_to_redis_must_have_declared_the_topic_exchange_or_the_message_is_lost():
    with Simulation(start=START, broker="redis") as sim:
        assert send_by_exchange_and_key_alone(sim) == [0, 2, 2]

        reason = (
            "its message came into no queue: none was bound to its exchange and routing key, as its publisher knew them"
        )
        assert list(sim.trace.lost().values()) == [reason]
        assert queues_of(sim)[0] == ""
        with pytest.raises(Violation, match=r"add\[\w+\] was sent at 12:00:00 and came into no queue"):
            sim.check(queues_drain)


def test_rabbitmq_knows_its_topic_exchange_itself_and_so_does_memory():
    with Simulation(start=START, broker="memory") as sim:
        assert send_by_exchange_and_key_alone(sim) == [2, 2, 2]


def test_a_routing_key_alone_goes_to_the_default_queue_which_these_workers_do_not_consume(sim):
    app = make_app(task_queues=BY_TOPIC)
    sim.start_worker(app)
    result = app.tasks["add"].apply_async((1, 2), routing_key="news.sport.football")
    sim.run()

    assert sim.trace.lost() == {result.id: "it waits in queue 'celery', which nobody consumes"}
    assert [note for note in sim.notes if "consumes" in note] == [
        "no worker consumes 'celery': start one with queues=['all', 'arts', 'celery', 'sport'], "
        "in a scenario workers: {queues: [all, arts, celery, sport]}"
    ]


def test_a_direct_exchange_leads_to_the_queue_of_exactly_that_key(sim):
    media = Exchange("media", type="direct")
    app = make_app(
        task_queues=[
            Queue("videos", media, routing_key="media.video"),
            Queue("images", media, routing_key="media.image"),
        ]
    )
    sim.start_worker(app, name="first", queues=["videos"])
    sim.start_worker(app, name="second", queues=["images"])
    by_key = app.tasks["add"].apply_async((1, 2), exchange="media", routing_key="media.image")
    by_queue = app.tasks["add"].apply_async((1, 2), queue="videos")
    sim.run()

    assert [sim.task(task.id).attempts[0].worker for task in (by_key, by_queue)] == ["second", "first"]
    assert queues_of(sim) == ["images", "videos"]


def test_a_fanout_exchange_reaches_every_queue_that_is_bound_to_it(sim):
    everybody = Exchange("everybody", type="fanout")
    app = make_app(task_queues=[Queue("one", everybody), Queue("two", everybody)])
    sim.start_worker(app, name="first", queues=["one"])
    sim.start_worker(app, name="second", queues=["two"])
    result = app.tasks["add"].apply_async((1, 2), queue="one")
    sim.run()

    assert sorted(attempt.worker for attempt in sim.task(result.id).attempts) == ["first", "second"]
    assert queues_of(sim) == ["everybody"]


@pytest.mark.parametrize(("broker", "ran_on"), [("memory", ["first"]), ("redis", [])])
def test_a_broadcast_reaches_workers_by_rabbitmq_and_by_redis_only_if_its_publisher_has_declared_it(broker, ran_on):
    app = make_app(task_queues=[Broadcast("reload")], task_routes={"now": {"queue": "reload"}})
    with Simulation(start=START, broker=broker) as sim:
        sim.start_worker(app, name="first")
        result = app.tasks["now"].delay()
        sim.run()

        assert [attempt.worker for attempt in sim.task(result.id).attempts] == ran_on


def test_a_router_of_the_app_sees_name_arguments_and_options(sim):
    def by_size(name, args, _kwargs, _options, **_):
        return {"queue": "long" if name == "nap" and args[0] > 10 else "short"}

    app = make_app(task_routes=(by_size,))
    sim.start_worker(app, queues=["long", "short"], concurrency=2)
    for seconds in (1, 100):
        app.tasks["nap"].delay(seconds)
    sim.run()

    assert queues_of(sim) == ["short", "long"]


def test_a_message_that_was_put_back_is_not_counted_to_the_retry_that_goes_elsewhere(sim):
    app, tries = make_app(), []

    @app.task(name="elsewhere", shared=False, bind=True, acks_late=True)
    def elsewhere(self):
        tries.append(1)
        if len(tries) == 1:
            raise Reject("again", requeue=True)
        if len(tries) == 2:
            raise self.retry(countdown=5, queue="late")

    sim.start_worker(app, queues=["celery", "late"])
    result = elsewhere.delay()
    sim.run()

    assert sim.task(result.id).state == "SUCCESS"
    assert queues_of(sim) == ["celery", "late"]


def test_a_retry_goes_where_its_task_came_from(sim):
    app = make_app()

    @app.task(name="retried", shared=False, bind=True)
    def retried(self):
        if not self.request.retries:
            raise self.retry(countdown=5)

    sim.start_worker(app, queues=["slow"])
    result = retried.apply_async(queue="slow")
    sim.run()

    assert sim.task(result.id).state == "SUCCESS"
    assert queues_of(sim) == ["slow", "slow"]
