"""Whatever a message says of itself, the recorder takes it: what becomes of the message is Celery's affair."""

from itertools import count

import pytest
from celery import Celery

from retrysim.simulation import Simulation

NUMBERS = count()
HEADERS = [
    "lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries", "timelimit", "root_id",
    "parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting", "stamps", "stamped_headers",
]  # fmt: skip
GARBAGE = ["Wed, 21 Oct 2026 07:28:00 GMT", 17, -1, ["a"], {"a": 1}, None, True, 1e308]


@pytest.fixture
def app():
    app = Celery(f"garbage{next(NUMBERS)}", broker="memory://", set_as_current=False)

    @app.task(name="work", shared=False)
    def work():
        return "ok"

    @app.task(name="again", bind=True, shared=False)
    def again(self, when):
        raise self.retry(**when, max_retries=1)

    return app


def send(app, header, value):
    message = app.amqp.as_task_v2(f"00000000-0000-4000-8000-{next(NUMBERS):012}", "work", (), {})
    with app.producer_or_acquire() as producer:
        headers = {**message.headers, header: value}
        app.amqp.send_task_message(producer, "work", message._replace(headers=headers), queue="celery")


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_can_be_anything(app, header):
    with Simulation(broker="memory") as sim:
        sim.start_worker(app)
        for value in GARBAGE:
            send(app, header, value)
            sim.run_for(60)

        assert len(sim.trace) > len(GARBAGE)


def test_a_retry_at_what_is_no_instant_is_discarded_and_the_task_stays_in_retry(app):
    app.conf.result_backend = "cache+memory://"

    with Simulation(broker="memory") as sim:
        sim.start_worker(app)
        result = app.tasks["again"].delay({"eta": "Wed, 21 Oct 2026 07:28:00 GMT"})
        sim.run()

        assert (result.state, sim.task(result.id).state) == ("RETRY", "REJECTED")
        assert app.tasks["work"].delay().get() == "ok"


@pytest.mark.parametrize("priority", ["high", -5, 99, None])
def test_a_property_can_be_anything(app, priority):
    with Simulation(broker="memory") as sim:
        sim.start_worker(app)
        try:
            app.tasks["work"].apply_async(priority=priority)
        except (TypeError, ValueError):
            return
        sim.run_for(60)

        assert sim.states == {"SUCCESS": 1}
