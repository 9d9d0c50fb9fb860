"""What isolated pool processes cost: a hand-over and back, a task, the start of a worker.

    python benchmarks/isolated.py

Prints each figure beside its goal; a figure that misses it is marked.
"""

from __future__ import annotations

from statistics import median
from typing import Any

from celery import Celery

from retrysim import Simulation
from retrysim.simulation import player

RUNS, TASKS, HAND_OVERS = 9, 300, 2_000

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


def a_hand_over_us() -> float:
    judge = Judge()
    with Simulation() as sim:
        faces = sim.environment.faces
        faces.services["judge"] = lambda _: judge
        faces.in_child.append(lambda link: setattr(app, "link", link))
        sim.start_worker(app, isolated=True)
        for _ in range(RUNS):
            hand_over.delay(HAND_OVERS)
        sim.run()
    return median(judge.told) / 1e3


def a_task_ms(*, isolated: bool) -> float:
    with Simulation() as sim:
        sim.start_worker(app, isolated=isolated)
        for _ in range(TASKS):
            nothing.delay()
        began_ns = now_ns()
        sim.run()
        return (now_ns() - began_ns) / TASKS / 1e6


def a_start_ms() -> float:
    with Simulation() as sim:
        began_ns = now_ns()
        sim.start_worker(app, concurrency=4, isolated=True)
        took_ns = now_ns() - began_ns
        sim.leave_workers()
    return took_ns / 1e6


def say(what: str, figure: float, unit: str, goal: float) -> None:
    print(f"{what:<48} {figure:8.2f} {unit}  (goal: at most {goal:g}{'' if figure <= goal else ', missed'})")


def main() -> None:
    ballast = bytearray(60 << 20)  # a process of some 150 MB
    a_start_ms()
    say("a hand-over and back, median", a_hand_over_us(), "µs", 60)
    more = median(a_task_ms(isolated=True) - a_task_ms(isolated=False) for _ in range(RUNS))
    say("a task in an isolated process costs more, median", more, "ms", 1.0)
    say("the start of a worker with 4 processes, median", median(a_start_ms() for _ in range(RUNS)), "ms", 60)
    del ballast


if __name__ == "__main__":
    main()
