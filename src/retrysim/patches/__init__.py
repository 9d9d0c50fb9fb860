"""Stands in for the standard library while a simulation runs: its clocks, its waits, its randomness.

freezegun does the part it can (it finds clocks and dates in every loaded module); the rest of this room is what it
does not reach. ``virtual_standard_library`` is the one door, and it undoes all it did.
"""

from retrysim.patches.locks import HeldLock
from retrysim.patches.places import call_site
from retrysim.patches.readings import monotonic_ns
from retrysim.patches.reality import Reality
from retrysim.patches.standard_library import begin_randomness, virtual_clocks, virtual_standard_library
from retrysim.patches.standing import standing_of
from retrysim.patches.threads_of_a_test import virtual_threads_of_a_test
from retrysim.patches.virtual_threading import virtual_threading
from retrysim.patches.waits import virtual_condition_waits

__all__ = [
    "HeldLock",
    "Reality",
    "begin_randomness",
    "call_site",
    "monotonic_ns",
    "standing_of",
    "virtual_clocks",
    "virtual_condition_waits",
    "virtual_standard_library",
    "virtual_threading",
    "virtual_threads_of_a_test",
]
