"""Which of the processes that are ready at one instant goes first: a decision, named by its instant and its number."""

from __future__ import annotations

from pydantic import Field

from retrysim.scenarios.block import Block
from retrysim.scenarios.kinds import DurationNs, Positive, Text


class OrderDecision(Block):
    """One tie: several hosts (workers, the client, beat) could go on at one instant, and this one does."""

    at_ns: DurationNs = Field(alias="at", description="The instant of the tie, as a duration from the start.")
    tie: Positive = Field(default=1, description="Which tie at that instant it is. Default: the first.")
    next: Text = Field(description="Who goes first.", examples=["worker-2", "the client"])
