"""``db``: the test and its tasks share the connection of the test's transaction, which is rolled back at the end."""

import importlib

import pytest
from django.db import connection, transaction
from django.test import TestCase
from orders.models import Order
from orders.tasks import count, create, create_and_count_later, exit_inside, fail_inside, send_inside

from retrysim import InputError, Simulation
from retrysim.errors import SharedTransaction

pytestmark = pytest.mark.django_db

WAITS_INSIDE = """\
a task waits inside transaction.atomic(), which it entered at tasks.py:32: with transaction.atomic():
  at tasks.py:35: time.sleep(seconds)
  Under the fixture `db` a test and its tasks share one connection, so whatever runs meanwhile would be inside that \
transaction.
  Give each its own: the fixture transactional_db, or @pytest.mark.django_db(transaction=True)"""
NOT_SUBMITTED = """\
nothing was submitted, and this waits in transaction.on_commit(): orders.tasks.count.delay, \
test_run_says_what_waits_for_a_commit_that_will_not_come.<locals>.notify. Under the fixture `db` the test's \
transaction is never committed. Wrap what submits in `with django_capture_on_commit_callbacks(execute=True):`, or let \
it commit: the fixture transactional_db, or @pytest.mark.django_db(transaction=True)"""


def test_a_task_sees_what_the_test_made_and_the_test_what_the_task_made(shop):
    Order.objects.create()
    result = create.delay()

    assert result.get() == 2
    assert Order.objects.count() == 2


def test_nothing_of_the_tests_before_is_left():
    assert Order.objects.count() == 0


def test_a_simulation_that_is_older_than_the_transaction(sim, request):
    sim.start_worker("shop")
    request.getfixturevalue("db")
    Order.objects.create()

    assert count.delay().get() == 1


def test_no_worker_closes_the_connection_of_the_test(sim):
    connection.ensure_connection()
    before = connection.connection
    sim.start_worker("shop", concurrency=2)
    for _ in range(4):
        count.delay()
    sim.run()

    assert connection.connection is before
    assert connection.in_atomic_block
    assert not connection.closed_in_transaction
    assert Order.objects.count() == 0


def test_after_the_simulation_the_connection_is_as_it_was(db):
    patched = ("close", "close_pool", "on_commit")
    before = {name for name in patched if name in vars(connection._connections[connection.alias])}
    with Simulation() as sim:
        sim.start_worker("shop")
        count.delay()
        sim.run()

    assert {name for name in patched if name in vars(connection._connections[connection.alias])} == before == set()


def test_a_task_that_waits_inside_a_transaction_is_told_to_use_transactional_db(shop):
    result = create.delay(seconds=5)

    with pytest.raises(SharedTransaction) as told:
        result.get()
    assert str(told.value) == WAITS_INSIDE
    assert Order.objects.count() == 0


def test_the_world_does_not_stop_inside_a_transaction_of_a_task(shop):
    send_inside.delay()

    with pytest.raises(SharedTransaction, match=r"which it entered at tasks\.py"):
        shop.run(until=lambda: len(shop.trace.tasks) == 2)


def test_what_a_task_gives_to_on_commit_runs_at_the_end_of_its_transaction(shop):
    create_and_count_later.delay()
    shop.run()

    assert [task.name for task in shop.tasks(state="SUCCESS")] == ["orders.tasks.create_and_count_later"] + [
        "orders.tasks.count"
    ] * 2


@pytest.mark.parametrize("savepoint", [True, False])
def test_a_transaction_of_a_task_that_fails_is_rolled_back_and_the_tests_goes_on(shop, savepoint):
    Order.objects.create()
    fail_inside.delay(savepoint=savepoint)
    shop.run()

    assert shop.states == {"FAILURE": 1}
    assert Order.objects.count() == 1


def test_the_transaction_of_a_pool_process_that_died_inside_is_rolled_back(sim):
    sim.start_worker("shop")
    exit_inside.delay()
    with pytest.raises(SharedTransaction):
        sim.run()
    sim.close()

    assert Order.objects.count() == 0
    assert len(connection.savepoint_ids) == 0


def test_run_says_what_waits_for_a_commit_that_will_not_come(shop):
    def notify():
        raise AssertionError("never")

    with transaction.atomic():
        transaction.on_commit(count.delay)
    transaction.on_commit(notify)

    with pytest.raises(InputError) as told:
        shop.run()
    assert str(told.value) == NOT_SUBMITTED


def test_captured_callbacks_submit_what_waits(shop, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        transaction.on_commit(count.delay)
    shop.run()

    assert shop.states == {"SUCCESS": 1}


def test_eager_tasks_share_the_transaction_too(sim):
    Order.objects.create()
    sim.run_eagerly("shop")
    result = create.delay()

    assert result.get() == 2
    assert connection.in_atomic_block


def test_what_an_eager_task_gives_to_on_commit_runs_at_the_end_of_its_transaction(sim):
    sim.run_eagerly("shop")
    create_and_count_later.delay()
    sim.run()

    assert len(sim.tasks(name="orders.tasks.count", state="SUCCESS")) == 2


def test_a_condition_of_the_test_may_look_at_the_database(shop):
    create.delay()
    shop.run(until=lambda: Order.objects.count() == 1)
    shop.run()

    assert shop.states == {"SUCCESS": 1}


def test_an_eager_task_that_waits_inside_a_transaction_is_told_so(sim):
    sim.run_eagerly("shop")
    result = create.delay(seconds=5)

    with pytest.raises(SharedTransaction, match="which it entered at"):
        result.get()


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_the_kinds_of_pool(sim, pool):
    Order.objects.create()
    sim.start_worker("shop", concurrency=1 if pool == "solo" else 2, pool=pool)
    results = [create.delay(), count.delay()]
    sim.run()

    assert [result.get() for result in results] == [2, 2]
    assert Order.objects.count() == 2


def test_a_beat_that_has_its_schedule_in_the_database_sees_what_the_test_made(sim):
    Order.objects.create(state="scheduled")
    app = importlib.import_module("shop").celery_app
    app.conf.beat_scheduler = "orders.scheduler:FromTheDatabase"
    try:
        sim.start_worker(app)
        sim.start_beat(app)
        sim.run_for("61s")
    finally:
        app.conf.beat_scheduler = "celery.beat:PersistentScheduler"

    assert [task.name for task in sim.tasks()] == ["orders.tasks.count"]


class TestWithoutPytestDjango(TestCase):
    """Django's own ``TestCase``."""

    @classmethod
    def setUpTestData(cls):
        Order.objects.create()

    def test_a_task_sees_what_the_class_made(self):
        with Simulation() as sim:
            sim.start_worker("shop")
            assert create.delay().get() == 2

    def test_nothing_of_the_test_before_is_left(self):
        assert Order.objects.count() == 1


def test_what_a_worker_connects_to_signals_ends_with_the_simulation():
    from celery import signals

    before = len(signals.task_prerun.receivers), len(signals.worker_process_init.receivers)
    with Simulation() as sim:
        sim.start_worker("shop")
        during = len(signals.task_prerun.receivers), len(signals.worker_process_init.receivers)

    after = len(signals.task_prerun.receivers), len(signals.worker_process_init.receivers)
    assert after == before
    assert during > before
