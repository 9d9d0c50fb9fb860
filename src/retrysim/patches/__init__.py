"""Stands in for the standard library while a simulation runs: its clocks, its waits, its randomness.

freezegun does the part it can (it finds clocks and dates in every loaded module); the rest of this room is what it
does not reach. ``virtual_standard_library`` is the one door, and it undoes all it did.
"""

from retrysim.patches.readings import monotonic_ns
from retrysim.patches.standard_library import virtual_standard_library
from retrysim.patches.threads import virtual_threads

__all__ = ["monotonic_ns", "virtual_standard_library", "virtual_threads"]
