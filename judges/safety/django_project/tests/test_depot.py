"""With pytest-django: a test database for who asks, and nothing for who does not."""

import pytest
from parcels.models import Parcel
from parcels.tasks import cancel, touch


def test_without_a_mark_nothing_is_reached(sim):
    touch.delay(1)
    sim.start_worker("depot")
    cancel.delay(1)
    sim.run()
    assert sim.states == {"FAILURE": 2}
    with pytest.raises(Exception, match=r"(?i)database"):
        Parcel.objects.count()


@pytest.mark.django_db(transaction=True)
def test_with_a_mark_it_is_the_test_database(sim):
    sim.start_worker("depot")
    parcel = Parcel.objects.create()
    touch.delay(parcel.pk)
    sim.run()
    assert sim.states == {"SUCCESS": 1}
    assert Parcel.objects.filter(state="touched").count() == 1


@pytest.mark.django_db
def test_also_in_the_tests_transaction(sim):
    sim.start_worker("depot")
    parcel = Parcel.objects.create()
    touch.delay(parcel.pk)
    sim.run()
    parcel.refresh_from_db()
    assert parcel.state == "touched"
