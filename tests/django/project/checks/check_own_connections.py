"""``transactional_db``: every slot has a connection of its own, as every pool process has."""

from datetime import timedelta

import pytest
from celery.contrib.django.task import DjangoTask
from django.db import OperationalError, connection, transaction
from orders.models import Order
from orders.tasks import count, create, read_then_write, rename, rename_both, which_connection

from retrysim import Deadlock

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_app_has_djangos_settings_and_finds_its_tasks(shop):
    app = shop.workers[0].app

    assert app.conf.task_acks_late is True
    assert "orders.tasks.count" in shop.known_tasks()
    assert isinstance(app.tasks["orders.tasks.count"], DjangoTask)


def test_what_the_test_committed_a_task_sees_and_the_other_way_round(shop):
    Order.objects.create()
    result = create.delay()

    assert result.get() == 2
    assert Order.objects.count() == 2


def test_two_slots_and_the_test_have_three_connections(shop):
    connection.ensure_connection()
    first, second = which_connection.delay(seconds=10), which_connection.delay(seconds=10)
    shop.run()

    (one, still_one), (other, still_other) = first.get(), second.get()
    assert len({one, other, id(connection.connection)}) == 3
    assert (one, other) == (still_one, still_other)
    assert shop.elapsed == timedelta(seconds=10)


def test_a_worker_closes_its_own_connections_and_not_the_tests(sim, database):
    connection.ensure_connection()
    before = connection.connection
    sim.start_worker("shop")
    which_connection.delay()
    sim.run()

    assert connection.connection is before
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_what_a_task_has_not_committed_another_does_not_see(shop, database):
    create.delay(seconds=4)
    shop.run_for("1s")
    result = count.delay()
    shop.run()

    # In SQLite's shared cache a writer keeps readers out: the second task waits for the commit.
    assert result.get() == (1 if database == "memory" else 0)


def test_a_second_writer_waits_for_the_first_in_virtual_time(shop):
    create.delay(seconds=4)
    create.delay(seconds=4)
    shop.run()

    assert shop.states == {"SUCCESS": 2}
    assert Order.objects.count() == 2
    shop.check()


def test_who_locks_a_row_second_waits_for_the_first_in_virtual_time(shop, database):
    if database != "postgresql":
        pytest.skip("SQLite locks no rows")
    order = Order.objects.create(state="new")
    rename.delay(order.pk, "first", seconds=4)
    rename.delay(order.pk, "second", seconds=4)
    shop.run()

    assert shop.states == {"SUCCESS": 2}
    assert Order.objects.get().state == "new first second"
    assert shop.elapsed == timedelta(seconds=8)
    shop.check()


def test_a_third_waits_for_the_second_which_waits_for_the_first(shop, database):
    if database != "postgresql":
        pytest.skip("SQLite locks no rows")
    shop.start_worker("shop", concurrency=2)
    order = Order.objects.create(state="new")
    for name in ("first", "second", "third"):
        rename.delay(order.pk, name, seconds=4)
        shop.run_for("1s")
    shop.run()

    assert Order.objects.get().state == "new first second third"
    assert shop.elapsed == timedelta(seconds=12)


def test_of_two_that_wait_for_each_other_postgresql_ends_one(shop, database):
    if database != "postgresql":
        pytest.skip("SQLite locks no rows")
    one, other = Order.objects.create(), Order.objects.create()
    results = [rename_both.delay(one.pk, other.pk), rename_both.delay(other.pk, one.pk)]
    shop.run()

    assert shop.states == {"SUCCESS": 1, "FAILURE": 1}
    (loser,) = [result for result in results if result.state == "FAILURE"]
    with pytest.raises(OperationalError, match="deadlock detected"):
        loser.get()


def test_sqlite_gives_up_after_its_timeout_of_five_seconds(shop, database):
    if database == "postgresql":
        pytest.skip("PostgreSQL waits for a lock as long as it takes")
    create.delay(seconds=60)
    shop.run_for("1s")
    loser = create.delay()
    shop.run()

    with pytest.raises(OperationalError, match="locked"):
        loser.get()
    history = shop.task(loser.id)
    assert history.settled_at_ns - history.sent_at_ns == 5_000_000_000


def test_sqlite_does_not_let_a_reader_wait_to_become_a_writer(shop, database):
    if database != "file":
        pytest.skip("a rule of SQLite's files")
    loser = read_then_write.delay(seconds=2)
    shop.run_for("1s")
    winner = read_then_write.delay(seconds=0)  # it cannot commit while the other reads
    shop.run()

    with pytest.raises(OperationalError, match="locked"):
        loser.get()
    assert winner.state == "SUCCESS"
    assert shop.task(loser.id).settled_at == shop.now.replace(second=2, microsecond=0)


def test_a_killed_worker_loses_its_transaction_and_its_locks(shop):
    order = Order.objects.create(state="new")
    rename.delay(order.pk, "late", seconds=4)
    shop.run_for("1s")
    shop.workers[0].kill()

    with transaction.atomic():
        Order.objects.select_for_update().filter(pk=order.pk).update(state="mine")
    assert Order.objects.get().state == "mine"


def test_who_waited_for_a_killed_worker_goes_on(shop, database):
    if database != "postgresql":
        pytest.skip("SQLite locks no rows")
    order = Order.objects.create(state="new")
    rename.delay(order.pk, "killed", seconds=40)
    shop.run_for("1s")
    shop.start_worker("shop", name="second")
    shop.workers[0].kill_child()
    assert shop.workers[0].running == []
    result = rename.delay(order.pk, "survivor")
    shop.run()

    assert result.get() == "new survivor"


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_the_kinds_of_pool(sim, pool):
    Order.objects.create()
    connection.ensure_connection()
    before = connection.connection
    sim.start_worker("shop", concurrency=1 if pool == "solo" else 2, pool=pool)
    results = [which_connection.delay(seconds=1), which_connection.delay(seconds=1)]
    counted = count.delay()
    sim.run()

    assert sim.states == {"SUCCESS": 3}
    assert counted.get() == 1
    assert connection.connection is before
    assert id(before) not in {one for result in results for one in result.get()}


def test_a_lock_that_the_test_holds_is_a_deadlock(shop, database):
    if database != "postgresql":
        pytest.skip("SQLite gives up after five seconds")
    order = Order.objects.create(state="new")
    with transaction.atomic():
        Order.objects.select_for_update().get(pk=order.pk)
        rename.delay(order.pk, "never")
        with pytest.raises(Deadlock, match="waits for a lock in PostgreSQL, whose holder waits, too"):
            shop.run()


def test_nothing_of_the_tests_before_is_left():
    assert Order.objects.count() == 0
