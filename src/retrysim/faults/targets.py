"""What a fault can strike other than a worker, by the name that a scenario and a trace give it."""

from __future__ import annotations

BROKER, RESULTS, EVERYBODY = "broker", "results", "all"
#: Whoever submits the tasks: the test itself.
SENDER = "sender"
