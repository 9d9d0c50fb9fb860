"""A simulation whose broker is Redis."""

import pytest
from redis_apps import START

from retrysim import Simulation


@pytest.fixture
def sim():
    with Simulation(broker="redis", start=START) as simulation:
        yield simulation
