"""What is harmless to a scenario: calls that may be repeated, and what ``retrysim explore`` may find."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from retrysim.scenarios.block import Block
from retrysim.scenarios.claims import Endpoint
from retrysim.scenarios.kinds import IfGiven, OneOrMany, Text

HarmWord = Literal["late", "twice", "failed", "lost", "hangs"]
#: From harmless to bad.
HARMS: tuple[HarmWord, ...] = ("late", "twice", "failed", "lost", "hangs")


class Idempotency(Block):
    """What makes a repeated call harmless: exactly one of `header` and `argument`, which carries the same value."""

    header: IfGiven[Text] = Field(default=None, description="A header.", examples=["Idempotency-Key"])
    argument: IfGiven[Text] = Field(
        default=None, description="A parameter of the query or of a form, or a key of a JSON body."
    )
    endpoint: IfGiven[Endpoint] = Field(default=None, description="Only calls of this endpoint. Default: all calls.")


class Accepted(Block):
    """One harm that is accepted: exactly one of `late`, `twice`, `failed`, `lost`, `hangs` with the tasks."""

    late: IfGiven[OneOrMany[Text]] = Field(default=None, description="Tasks that may settle late (`*`: all).")
    twice: IfGiven[OneOrMany[Text]] = Field(default=None, description="Tasks whose effect may happen again.")
    failed: IfGiven[OneOrMany[Text]] = Field(default=None, description="Tasks that may fail.")
    lost: IfGiven[OneOrMany[Text]] = Field(default=None, description="Tasks that may be lost.")
    hangs: IfGiven[OneOrMany[Text]] = Field(default=None, description="Tasks that may never end.")
    fault: IfGiven[OneOrMany[Text]] = Field(
        default=None, description="Only under these kinds of fault. Default: under any.", examples=["worker_killed"]
    )

    @property
    def harm(self) -> HarmWord:
        return next(harm for harm in HARMS if getattr(self, harm) is not None)

    @property
    def tasks(self) -> tuple[str, ...]:
        tasks: tuple[str, ...] = getattr(self, self.harm)
        return tasks
