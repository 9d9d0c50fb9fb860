"""Which items a live run can play truthfully; for the others, why not."""

from __future__ import annotations

from retrysim.errors import ScenarioError
from retrysim.scenarios import ScenarioItem
from retrysim.scenarios.fault import MESSAGE_VERBS, RESULTS


def why_not(item: ScenarioItem, kind: str) -> ScenarioError | None:
    """What keeps an item from being played on a broker of this kind (``redis`` or ``amqp``); ``None``: nothing."""
    scenario = item.scenario
    if item.skipped is not None:
        return scenario.error(("requires",), item.skipped)
    if item.celery != "worker":
        return scenario.error(("celery",), f"a live run needs a real worker, and this item is {item.celery}")
    if kind != "redis" and item.broker == "redis":
        return scenario.error(("broker",), "it is about Redis: play it on one")
    if any(worker.pool == "gevent" for worker in item.workers):
        return scenario.error(("workers",), "a live run has no gevent pool, for now")
    for index, fault in enumerate(scenario.spec.faults):
        if fault.verb in (*MESSAGE_VERBS, "slow_results") or fault.target == RESULTS:
            message = "only a simulation can do this to the messages and results of a run"
            return scenario.error(("faults", index, fault.verb), message)
    return None
