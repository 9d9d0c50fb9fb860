"""Which modelled version of RabbitMQ stands beside a real server."""

import pytest

from retrysim.live.rabbit_version import nearest_version


@pytest.mark.parametrize(
    ("release", "version"),
    [("3.8.2", "3.10"), ("3.10.8", "3.10"), ("3.12.1", "3.10"), ("3.13.7", "3.13"), ("4.1.0", "4.0"), ("4.3.6", "4.3")],
)
def test_the_newest_modelled_version_that_is_not_newer_stands_beside_a_server(release, version):
    assert nearest_version(release) == version
