"""Isolated pool processes: SQLite in memory, or in the test's transaction, is copied by the fork."""

import pytest
from orders.models import Order
from orders.tasks import count, create

NOTE = (
    "an isolated pool process has a copy of the SQLite database 'default', and a task wrote into it: neither the test "
    "nor another process sees that; use a file with transactional_db, or a server"
)


def play(sim, task):
    sim.start_worker("shop", isolated=True)
    result = task.delay()
    sim.run()
    return result.get(), Order.objects.count(), NOTE in sim.notes


@pytest.mark.django_db(transaction=True)
def test_a_write_is_noted_where_nobody_sees_it(sim, database):
    assert play(sim, create) == (1, *((0, True) if database == "memory" else (1, False)))


@pytest.mark.django_db
def test_a_write_in_the_transaction_of_the_test_is_noted(sim):
    assert play(sim, create) == (1, 0, True)


@pytest.mark.django_db
def test_a_read_is_not_noted(sim):
    assert play(sim, count) == (0, 0, False)
