"""What becomes of orders that go to a CRM which limits its callers: from the request to the last retry."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from orders.models import Order
from orders.tasks import client as locks
from orders.tasks import push_order

from retrysim.invariants import retries_start_at_reset


def test_a_placed_order_is_pushed_once_it_is_committed(shop_sim, client, transactional_db):
    answer = client.post("/orders/", {"customer": "ada"})
    shop_sim.run()

    assert answer.status_code == 201
    assert shop_sim.states == {"SUCCESS": 1}
    assert Order.objects.get().pushed_at == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_inside_the_tests_own_transaction(shop_sim, client, db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        order_id = client.post("/orders/", {"customer": "ada"}).json()["order"]
    shop_sim.run()

    assert Order.objects.get().pushed_at is not None
    assert cache.get(f"pushed:{order_id}")
    shop_sim.run_for("1h 1s")
    assert not cache.get(f"pushed:{order_id}")


@pytest.mark.django_db(transaction=True)
def test_250_orders_are_pushed_in_two_minutes_and_sentry_is_told_why(shop_sim, sentry_events):
    for number in range(250):
        push_order.delay(Order.objects.create(customer=f"customer {number}").pk)
    shop_sim.run()

    assert shop_sim.states == {"SUCCESS": 250}
    assert shop_sim.elapsed == timedelta(minutes=2)
    assert not Order.objects.filter(pushed_at=None).exists()
    shop_sim.check(retries_start_at_reset)
    assert [event["logentry"]["message"] for event in sentry_events] == ["the CRM has had enough"] * 200
    assert any("sentry" in note for note in shop_sim.notes), shop_sim.notes


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_a_dead_worker_left_keeps_its_customer_waiting_for_a_minute(shop_sim):
    order = Order.objects.create(customer="ada")
    locks.lock("customer:ada", timeout=60).acquire()
    result = push_order.delay(order.pk)
    shop_sim.run()

    assert shop_sim.task(result.id).timeline == "RETRY 5s " * 12 + "SUCCESS"
    order.refresh_from_db()
    assert order.pushed_at == datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
