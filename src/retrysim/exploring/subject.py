"""What is explored: one item of a scenario, as the values of its file, to which decisions are added."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from retrysim.errors import InputError, ScenarioError
from retrysim.exploring.trial import Trial
from retrysim.project import Project
from retrysim.scenarios import Scenario, ScenarioItem, items_of
from retrysim.scenarios.defaults import with_defaults
from retrysim.scenarios.schema import ScenarioSpec

#: Keys of a file that say what is expected of the faultless run, or choose among items: none of a trial's business.
_OUT = (
    "xfail", "tags", "seeds", "expect", "expect_worker", "expect_eager", "expect_always_eager", "accept", "explore",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An item of a scenario, the project whose defaults it has, and the server that the app's own settings name."""

    item: ScenarioItem
    project: Project | None = None
    server: str | None = None

    @cached_property
    def values(self) -> dict[str, Any]:
        """The scenario of this item alone, as a file has it: its lists have one value each."""
        written = self.item.scenario.document.value
        assert isinstance(written, dict)
        values: dict[str, Any] = {key: value for key, value in written.items() if key not in _OUT}
        values["seed"] = self.item.seed
        if "celery" in values:
            values["celery"] = "worker"
        if broker := self.item.broker or self.server:
            values["broker"] = broker
        if (databases := self.item.scenario.spec.databases) is not None:  # a tag may have said so
            values["database"] = databases
        values["workers"] = self._workers()
        values["expect"] = self._expect()
        return values

    @property
    def named_differently(self) -> bool:
        return [worker.name for worker in self.item.workers] != [
            f"worker-{number}" for number in range(1, len(self.item.workers) + 1)
        ]

    def _workers(self) -> Any:
        specs = self.item.workers
        own = [
            {
                "concurrency": one.concurrency,
                **({"pool": one.pool} if one.pool else {}),
                **({"queues": list(one.queues)} if one.queues else {}),
                **({"isolated": True} if one.isolated else {}),
            }
            for one in specs
        ]
        if not self.named_differently and all(one == own[0] for one in own):
            return {"count": len(specs), **own[0]}
        return [{"name": spec.name, **rest} for spec, rest in zip(specs, own, strict=True)]

    def _expect(self) -> dict[str, Any]:
        expect = self.item.expect
        asked = [{call.name: dict(call.arguments)} if call.arguments else call.name for call in expect.invariants or ()]
        given: dict[str, Any] = {"invariants": asked} if asked else {}
        if expect.violates:
            given["violates"] = [
                {call.name: dict(call.arguments)} if call.arguments else call.name for call in expect.violates
            ]
        return given

    def with_decisions(self, trial: Trial) -> ScenarioItem:
        """The item to be played; raises ``InputError`` for what no scenario could have."""
        if trial.as_written:
            return self.item
        values = {**self.values, **trial.changes}
        values["faults"] = [*values.get("faults", ()), *trial.decisions]
        values["order"] = [*values.get("order", ()), *(() if trial.draw else trial.order)]
        spec = ScenarioSpec.model_validate(values)
        if self.project is not None:
            spec = with_defaults(spec, self.project)
        (item,) = items_of(Scenario(spec=spec, document=self.item.scenario.document))
        return item


def subject_of(items: tuple[ScenarioItem, ...], wanted: str | None, project: Project | None) -> Subject:
    """The item that is wanted, by default the first that a worker runs. Raises ``InputError`` where there is none."""
    by_workers = [item for item in items if item.celery == "worker"]
    if wanted is not None:
        found = [item for item in by_workers if item.id == wanted]
        if not found:
            known = ", ".join(item.id for item in by_workers) or "none"
            raise InputError(f"{items[0].file} has no item {wanted!r} that a worker runs (there is {known})")
        return Subject(item=found[0], project=project)
    if not by_workers:
        raise _no_worker(items[0])
    return Subject(item=by_workers[0], project=project)


def _no_worker(item: ScenarioItem) -> ScenarioError:
    message = f"explore needs a worker, for that is what breaks, and every item of this scenario is {item.celery}"
    return item.scenario.error(("celery",), message)
