"""Which items a live run can play truthfully; for the others, why not."""

from __future__ import annotations

from retrysim.errors import ScenarioError
from retrysim.faults.targets import BROKER, RESULTS
from retrysim.scenarios import ScenarioItem
from retrysim.scenarios.fault import MESSAGE_VERBS, RABBITMQ_VERBS


def why_not(item: ScenarioItem, kind: str) -> ScenarioError | None:
    """What keeps an item from being played on a broker of this kind (``redis`` or ``amqp``); ``None``: nothing."""
    scenario, spec = item.scenario, item.scenario.spec
    if item.skipped is not None:
        return scenario.error(("requires",), item.skipped)
    if item.celery != "worker":
        return scenario.error(("celery",), f"a live run needs a real worker, and this item is {item.celery}")
    for key, given in (("database", spec.databases == "test"), ("setup", spec.setup is not None)):
        if given:
            return scenario.error((key,), "a live run has real workers, which use the app's real database")
    if spec.files == "scratch":
        return scenario.error(("files",), "a live run has real workers, which change real files")
    named = (item.broker or "").partition(":")[0]
    if kind != "redis" and named == "redis":
        return scenario.error(("broker",), "it is about Redis: play it on one")
    if kind == "redis" and named == "rabbitmq":
        return scenario.error(("broker",), "it is about RabbitMQ: play it on one")
    if any(worker.pool == "gevent" for worker in item.workers):
        return scenario.error(("workers",), "a live run has no gevent pool, for now")
    if spec.order:
        return scenario.error(("order",), "real workers race, and only a simulation decides who goes first")
    return _fault_that_cannot_be(item, kind)


def _fault_that_cannot_be(item: ScenarioItem, kind: str) -> ScenarioError | None:
    for index, fault in enumerate(item.scenario.spec.faults):
        message = None
        of_a_fake = fault.server is not None or fault.target in item.scenario.spec.fakes
        if of_a_fake or fault.verb in ("cut_in_mid_answer", "slow_down"):
            message = "only a simulation can do this to a connection"
        elif fault.verb in (*MESSAGE_VERBS, *RABBITMQ_VERBS, "slow_results") or fault.target == RESULTS:
            message = "only a simulation can do this to the messages and results of a run"
        elif fault.target == BROKER and kind != "redis":
            message = "a live run stops no RabbitMQ, for others may use it: only a Redis that it has started itself"
        elif fault.verb == "skew_clock":
            message = "the processes of a live run share the clock of this machine: only a simulation can skew one"
        if message is not None:
            return item.scenario.error(("faults", index, fault.verb), message)
    return None
