"""Without pytest-django: `pytest -p no:django tests/plain.py`."""

import os

import pytest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "depot.settings")


def test_nothing_is_reached(sim):
    sim.start_worker("depot")

    from parcels.models import Parcel
    from parcels.tasks import cancel, touch

    touch.delay(1)
    cancel.delay(1)
    sim.start_program(lambda: touch.delay(1))
    sim.run()
    assert sim.states == {"FAILURE": 3}
    with pytest.raises(Exception, match="the test connects to a real database"):
        Parcel.objects.count()
