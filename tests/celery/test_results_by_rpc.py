"""``rpc://``: Celery's own backend, on whichever broker. Real workers on Redis 7 and RabbitMQ 3.10 did the same."""

import pytest
from celery import Celery, group

from retrysim import Simulation
from retrysim.errors import Deadlock


def make_app():
    app = Celery("rpc", broker="redis://nobody.example/0", backend="rpc://", set_as_current=False)

    @app.task(name="add", shared=False)
    def add(a, b):
        return a + b

    @app.task(name="state_of", shared=False)
    def state_of(task_id):
        return app.AsyncResult(task_id).state

    return app


@pytest.fixture(params=["memory", "redis", "rabbitmq"])
def sim(request):
    with Simulation(broker=request.param) as simulation:
        yield simulation


@pytest.fixture
def app(sim):
    app = make_app()
    sim.start_worker(app, pool="solo")
    return app


def test_the_process_that_sent_the_task_reads_its_result(sim, app):
    result = app.tasks["add"].delay(1, 2)
    sim.run()

    assert (result.state, result.get(timeout=1), result.get(timeout=1)) == ("SUCCESS", 3, 3)
    assert group(app.tasks["add"].s(n, n) for n in range(3))().get(timeout=1) == [0, 2, 4]


def test_for_every_other_process_the_task_is_pending(sim, app):
    result = app.tasks["add"].delay(1, 2)
    sim.run()
    seen = []
    sim.start_program(lambda: seen.append(app.AsyncResult(result.id).state))
    sim.run()

    assert seen == ["PENDING"]
    assert app.tasks["state_of"].delay(result.id).get(timeout=1) == "PENDING"


def test_a_state_is_read_from_a_listening_connection_only_by_get(sim, app):
    app.tasks["add"].delay(1, 2).get(timeout=1)
    result = app.tasks["add"].delay(1, 2)
    sim.run()

    assert result.state == ("PENDING" if sim.broker.kind == "rabbitmq" else "SUCCESS")
    assert result.get(timeout=1) == 3


def test_a_get_that_nothing_can_answer_is_a_deadlock(sim, app):
    with pytest.raises(Deadlock, match="the test waits for a result, but nothing is left that could bring it"):
        app.AsyncResult("nobody").get()


def test_a_store_that_is_down_loses_the_result(sim, app):
    sim.results.stop()
    result = app.tasks["add"].delay(1, 2)
    sim.run()

    assert result.state == "PENDING"
