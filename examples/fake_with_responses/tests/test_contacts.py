"""A fake whose limits count, inside a test of ``responses``."""

import responses
from contacts import fetch_all

from retrysim.fakes import API


@responses.activate
def test_it_stops_at_the_limit_and_says_how_long_to_wait():
    crm = API("https://crm.acme.io", limit="5 per minute", answer={"name": "somebody"})
    crm.mount(responses)

    contacts, wait = fetch_all(8)

    assert len(contacts) == 5
    assert 0 < wait <= 60
    assert len(crm.calls_while_limited) == 1
