"""Existing tests with Celery's own fixtures."""

import pytest
from depot.celery import REDIS
from parcels.models import Parcel
from parcels.tasks import touch


@pytest.fixture(scope="session")
def celery_config():
    return {"broker_url": f"{REDIS}/13", "result_backend": f"{REDIS}/14"}


@pytest.mark.django_db(transaction=True)
def test_in_the_test_database(celery_app, celery_worker):
    celery_app.finalize()
    celery_worker.reload()
    parcel = Parcel.objects.create()
    assert touch.delay(parcel.pk).get(timeout=10) >= 1


def test_without_a_mark(celery_app, celery_worker):
    celery_worker.reload()
    with pytest.raises(Exception, match=r"(?i)database"):
        touch.delay(1).get(timeout=10)
