"""What a call costs where calls do not all cost one: by its method, or by what its body asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from retrysim.fakes.visit import Visit


def one(visit: Visit) -> int:
    return 1


COSTS: Mapping[str, Callable[[Visit], int]] = MappingProxyType({"one": one})
