"""``django-db``: results are rows of the test database, if the test has one; else they stay in the simulation."""

import pytest
from django_celery_results.models import TaskResult
from orders.tasks import create

from retrysim import Deadlock
from retrysim.celery.results import ResultStore


@pytest.mark.django_db(transaction=True)
def test_a_result_is_a_row(shop):
    result = create.delay()

    assert result.get() == 1
    assert list(TaskResult.objects.values_list("task_id", "status")) == [(result.id, "SUCCESS")]


@pytest.mark.django_db
def test_a_result_is_a_row_of_the_tests_transaction(shop):
    result = create.delay()
    shop.run()

    assert TaskResult.objects.get(task_id=result.id).status == "SUCCESS"


@pytest.mark.django_db
def test_a_get_that_nothing_can_answer_is_a_deadlock(shop):
    with pytest.raises(Deadlock, match="the test waits for the result of task nobody"):
        shop.workers[0].app.AsyncResult("nobody").get()


def test_without_a_test_database_the_simulation_keeps_them(shop):
    assert isinstance(shop.workers[0].app.backend, ResultStore)
    assert "shop: its results are kept in the memory of the simulation, and not in 'django-db'" in shop.notes
