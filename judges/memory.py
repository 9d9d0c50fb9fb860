"""Memory as a judge: a thousand simulations of each kind in one process, and what of them is left.

    python judges/memory.py [COUNT] [WAY ...]

Plays the ways of ``tests/simulation/ways_to_end.py``, on memory and on Redis. Prints for each the objects that are
left, the growth of the process over the second half of the simulations and the time of one. Exit code 1 when a
simulation, or what leads to one, is left, or when the process grows by more than 2 KiB a simulation, beyond 2 MiB.
"""

from __future__ import annotations

import gc
import logging
import resource
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "simulation"))

from ways_to_end import SAID, WAYS, play

HEAVY = {"Simulation", "Environment", "Process", "greenlet", "Worker", "Trace", "Server", "Socket", "Fake"}
#: What a simulation may add to the process, in KiB, and what the allocator's own unrest may add in all.
ALLOWED_KIB, UNREST_KIB = 2.0, 2048


def heavy_objects() -> list[str]:
    """The names of the kinds that are alive, one for each object."""
    gc.collect()
    gc.collect()
    return sorted(type(one).__name__ for one in gc.get_objects() if type(one).__name__ in HEAVY)


def resident_kib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024


def judge(way: str, broker: str, count: int) -> bool:
    """Play, print a line, and say whether it holds."""
    play(way, broker)
    before = heavy_objects()
    SAID.clear()
    begun = time.perf_counter()
    for _ in range(count - count // 2):
        play(way, broker)
    gc.collect()
    halfway = resident_kib()
    for _ in range(count // 2):
        play(way, broker)
    each_ms = (time.perf_counter() - begun) / count * 1000
    left = len(heavy_objects()) - len(before)
    grown = resident_kib() - halfway
    growth = grown / max(1, count // 2)
    holds = left <= 0 and grown <= ALLOWED_KIB * (count // 2) + UNREST_KIB and not SAID
    said = f" and it said: {SAID[0]}" if SAID else ""
    print(
        f"{broker:7} {way:26} {left:5} left {growth:8.2f} KiB each {each_ms:7.1f} ms each"
        f"{'' if holds else '  <-- fails'}{said}",
        flush=True,
    )
    return holds


def main() -> int:
    warnings.simplefilter("ignore")
    logging.disable()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    ways = sys.argv[2:] or list(WAYS)
    results = [judge(way, broker, count) for broker in ("memory", "redis") for way in ways]
    print(f"{sum(results)} of {len(results)} kinds leave nothing ({count} simulations of each)")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
