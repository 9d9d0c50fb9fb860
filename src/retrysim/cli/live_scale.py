"""The value of ``--scale``: how many times as fast time passes, or ``auto``."""

from __future__ import annotations

import click


class Scale(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A number of at least 1; ``None`` for ``auto``."""

    name = "scale"

    def convert(self, value: str | float, param: click.Parameter | None, context: click.Context | None) -> float | None:
        if value == "auto":
            return None
        try:
            scale = float(value)
        except ValueError:
            scale = 0
        if not scale >= 1:
            self.fail(f"{value!r}: expected a number of at least 1, or auto", param, context)
        return scale
