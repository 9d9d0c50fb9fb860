"""What isolated pool processes cost: a hand-over and back, a task, the start of a worker.

    python benchmarks/isolated.py

Prints the size of this process and the load of the machine, and each figure beside its goal; a figure that misses it is
marked. Test and children take turns, so on a busy machine each waits for a core again and again. Therefore the least of
all runs is printed, too, and what a start takes of the processor.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from celery import Celery

from retrysim import Simulation
from retrysim.simulation import player

RUNS, STARTS, TASKS, HAND_OVERS = 9, 25, 300, 2_000
#: How large this process is to be, in MB.
SIZE_MB = 150

app = Celery("bench", broker="memory://", set_as_current=False)
app.conf.task_ignore_result = True


def now_ns() -> int:
    """Real time, whatever stands in for the clocks."""
    return player._REAL["perf_counter_ns"]()


@app.task
def nothing() -> None:
    pass


@app.task
def hand_over(times: int) -> None:
    """Ask the parent for the least that there is, again and again."""
    link: Any = app.link
    began_ns = now_ns()
    for _ in range(times):
        link.call("judge", "answer")
    link.call("judge", "tell", (now_ns() - began_ns) / times)


class Judge:
    """A service of the parent: what is asked of it is answered at once."""

    def __init__(self) -> None:
        self.told: list[float] = []

    def answer(self) -> None:
        pass

    def tell(self, ns: float) -> None:
        self.told.append(ns)


def hand_overs_us() -> list[float]:
    judge = Judge()
    with Simulation() as sim:
        faces = sim.environment.faces
        faces.services["judge"] = lambda _: judge
        faces.in_child.append(lambda link: setattr(app, "link", link))
        sim.start_worker(app, isolated=True)
        for _ in range(RUNS):
            hand_over.delay(HAND_OVERS)
        sim.run()
    return [ns / 1e3 for ns in judge.told]


def a_task_ms(*, isolated: bool) -> float:
    with Simulation() as sim:
        sim.start_worker(app, isolated=isolated)
        for _ in range(TASKS):
            nothing.delay()
        began_ns = now_ns()
        sim.run()
        return (now_ns() - began_ns) / TASKS / 1e6


def a_start_ms() -> tuple[float, float]:
    """In real time, and in time of the processor; the latter with all that the children do until they are killed."""
    with Simulation() as sim:
        began_ns, began_s, children_s = (
            now_ns(),
            processor_s(resource.RUSAGE_SELF),
            processor_s(resource.RUSAGE_CHILDREN),
        )
        sim.start_worker(app, concurrency=4, isolated=True)
        took_ns, took_s = now_ns() - began_ns, processor_s(resource.RUSAGE_SELF) - began_s
        sim.leave_workers()
    return took_ns / 1e6, (took_s + processor_s(resource.RUSAGE_CHILDREN) - children_s) * 1e3


def processor_s(whose: int) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def size_mb() -> float:
    """How much of this process is in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def ballast() -> bytes:
    """What this process lacks of its size; written to, since a page that nobody has touched is in no memory."""
    return b"x" * int(max(SIZE_MB - size_mb(), 0) * 1e6)


def say(what: str, figures: Sequence[float], unit: str, goal: float) -> None:
    middle = median(figures)
    missed = "" if middle <= goal else ", missed"
    print(f"{what:<40} {middle:7.2f} {unit}, at least {min(figures):7.2f} {unit}  (goal: at most {goal:g}{missed})")


def main() -> None:
    a_start_ms()
    kept = ballast()
    print(f"a process of {size_mb():.0f} MB, a load of {os.getloadavg()[0]:.1f}; medians")
    say("a hand-over and back", hand_overs_us(), "µs", 60)
    more = [a_task_ms(isolated=True) - a_task_ms(isolated=False) for _ in range(RUNS)]
    say("a task in an isolated process, more", more, "ms", 1.0)
    real, of_the_processor = zip(*(a_start_ms() for _ in range(STARTS)), strict=True)
    say("starting a worker with 4 children", real, "ms", 60)
    say("the same, in time of the processor", of_the_processor, "ms", 60)
    del kept


if __name__ == "__main__":
    main()
