"""The project's own fixture: its worker runs, and the CRM is a fake."""

import retrysim
from retrysim.fakes import API

crm = API("https://crm.acme.io", limit="100 per minute", per="authorization")
shop_sim = retrysim.fixture(app="shop:app", fakes=[crm], concurrency=4)
