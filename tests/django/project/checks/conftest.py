import os

import pytest

import retrysim

shop = retrysim.fixture(app="shop", concurrency=2)


@pytest.fixture
def database():
    return os.environ["SHOP_DATABASE"]
