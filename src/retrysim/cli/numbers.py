"""Whole numbers on a command line: ASCII digits, between two bounds."""

from __future__ import annotations

import re
from typing import Any

import click

from retrysim.machine import cores

_WHOLE = re.compile(r"[-+]?[0-9]{1,20}", re.ASCII)
#: The highest seed: 64 bits.
HIGHEST_SEED = 2**64 - 1


class Whole(click.IntRange):
    """``Whole(1, 256)``; Python's own ``int`` takes the digits of every script, and underscores."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and not _WHOLE.fullmatch(value):
            shown = value if len(value) <= 40 else value[:40] + "..."
            self.fail(f"{shown!a} is not a valid integer.", param, ctx)
        return super().convert(value, param, ctx)


class _JobsOrAuto(Whole):
    """How many items are played in parallel; ``auto`` is one for each core."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "auto":
            return cores()
        return super().convert(value, param, ctx)


SEED = Whole(0, HIGHEST_SEED)
JOBS = Whole(1, 256)
JOBS_OR_AUTO = _JobsOrAuto(1, 256)
