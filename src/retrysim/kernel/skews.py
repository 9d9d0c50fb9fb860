"""The wall clocks of machines: how far each is ahead of the time of the simulation, or behind it.

A skewed machine reads another date and time of day. Its monotonic clock, and so every wait, is as that of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrysim.clock import VirtualClock

if TYPE_CHECKING:
    from retrysim.kernel.context import Context
    from retrysim.kernel.host import Host
    from retrysim.kernel.listeners import Listeners


class Skews:
    """The skew of each machine; whoever has control reads the clock of its own. Costs nothing until one is skewed."""

    def __init__(self, clock: VirtualClock, context: Context, listeners: Listeners) -> None:
        self._clock = clock
        self._context = context
        self._listeners = listeners
        self._by_machine: dict[str, int] = {}

    def of(self, host: Host) -> int:
        """How many nanoseconds the clock of a host is ahead."""
        return self._by_machine.get(host.machine, 0)

    def set(self, machine: str, ns: int) -> None:
        """Let the clock of a machine be so far ahead from now on; below zero: behind."""
        if not self._by_machine:
            self._listeners.host_entered.append(self._enter)
        self._by_machine[machine] = ns
        self._enter(self._context.host)

    def _enter(self, host: Host) -> None:
        self._clock.skew_ns = self.of(host)
