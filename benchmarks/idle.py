"""What idle time costs: virtual hours of one worker on each broker, and tasks next to idle workers.

Run it from anywhere: ``python benchmarks/idle.py``. It measures CPU time, each figure in a process of its own, the least
of several. With directories that hold other versions of the package (``python benchmarks/idle.py ../before/src``) it
measures each version in turns, so that their ratios count on a busy machine, too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import process_time
from typing import Any

ROUNDS = 3
TASKS, WARM_UP = 100, 10
IDLE_HOURS = {"memory": 24, "redis": 24, "rabbitmq": 24}
IDLE_WORKERS = (1, 16, 64)


def make_app() -> Any:
    from celery import Celery

    app = Celery("benchmark", broker="redis://nobody.example/0", set_as_current=False)

    @app.task(name="add", shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    return app


def seconds_of_idle(broker: str, hours: int) -> float:
    """The CPU time of one worker that waits."""
    from retrysim import Simulation

    with Simulation(broker=broker) as sim:
        sim.start_worker(make_app())
        sim.run_for(1)
        began = process_time()
        sim.run_for(f"{hours} hours")
        return process_time() - began


def seconds_per_task(broker: str, workers: int) -> float:
    """One task each virtual second, from its publication on; all workers but one have nothing to do."""
    from retrysim import Simulation

    app = make_app()
    with Simulation(broker=broker) as sim:
        for _ in range(workers):
            sim.start_worker(app)
        for number in range(WARM_UP + TASKS):
            if number == WARM_UP:
                began = process_time()
            app.tasks["add"].delay(number, 1)
            sim.run_for(1)
        elapsed = process_time() - began
        assert sim.states == {"SUCCESS": WARM_UP + TASKS}, sim.states
    return elapsed / TASKS


def measured(sources: list[str], *what: object) -> list[float]:
    """One figure of each version, the least of all rounds."""
    figures: list[list[float]] = [[] for _ in sources]
    for _ in range(ROUNDS):
        for source, found in zip(sources, figures, strict=True):
            command = [sys.executable, "-W", "ignore", __file__, "--one", *map(str, what)]
            environment = {**os.environ, "PYTHONPATH": source}
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            found.append(float(ran.stdout))
    return [min(found) for found in figures]


def compared(figures: list[float], form: str) -> str:
    """Each version's figure, and how the first compares with the others."""
    ratios = "".join(f"  ({figures[0] / other:.3f} of the other)" for other in figures[1:] if other)
    return "".join(f"{format(figure, form):>12}" for figure in figures) + ratios


def main() -> None:
    import retrysim

    sources = [str(Path(retrysim.__file__).parents[1]), *(str(Path(source).resolve()) for source in sys.argv[1:])]
    print("idle virtual hours of a worker for each second of CPU time")
    for broker, hours in IDLE_HOURS.items():
        seconds = measured(sources, "idle", broker, hours)
        print(f"{broker:<12}" + "".join(f"{hours / max(one, 1e-6):>14,.0f}" for one in seconds))
    print("\nmilliseconds for a task each second, next to idle workers")
    for broker in ("memory", "redis"):
        for workers in IDLE_WORKERS:
            seconds = measured(sources, "task", broker, workers)
            print(f"{broker:<8}{workers:>4} workers" + compared([one * 1e3 for one in seconds], ".2f"))


def one(kind: str, broker: str, number: str) -> None:
    measure = seconds_of_idle if kind == "idle" else seconds_per_task
    print(measure(broker, int(number)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
    else:
        main()
