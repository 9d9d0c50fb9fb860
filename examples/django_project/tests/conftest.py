"""The project's own fixture: a worker runs, and the CRM is a fake. Sentry is on, at an address that nobody has."""

import pytest
import sentry_sdk

import retrysim
from retrysim.fakes import API

crm = API("https://crm.acme.io", limit="100 per minute", per="authorization")
shop_sim = retrysim.fixture(app="shop", fakes=[crm], concurrency=4)


@pytest.fixture
def sentry_events(monkeypatch):
    """The events on their way to Sentry."""
    events = []
    monkeypatch.setitem(
        sentry_sdk.get_client().options, "before_send", lambda event, hint: events.append(event) or event
    )
    return events
