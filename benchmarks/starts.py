"""What a simulation costs before and after its tasks: the import, the start and stop, and that the next costs the same.

Run it from anywhere: ``python benchmarks/starts.py``. Times are this process' own CPU time, the median of several; the
modules that are added hold functions and classes and no clock, as most of a large project's do. Those of the project's
own are searched to their depth for each simulation, those of a library are not.
"""

from __future__ import annotations

import itertools
import logging
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from time import process_time
from types import ModuleType

from celery import Celery

from retrysim import Simulation

ROUNDS, IN_A_ROW = 15, 500
NUMBERS = itertools.count()
OF_A_LIBRARY = "\n".join(
    [f"number_{n} = {n}.5" for n in range(20)]
    + [f"def function_{n}(a, b=1):\n    return a" for n in range(8)]
    + [f"class Class{n}:\n    one = 1\n    def method(self, a=2): return a" for n in range(2)]
)
OF_THE_PROJECT = (
    OF_A_LIBRARY
    + """
CASES = [({"name": f"case {n}", "limits": [n, n + 1]}, ("a", "b", n)) for n in range(20)]
def decorated(function):
    def inner(*args):
        return function(*args)
    return inner
function_0, function_1 = decorated(function_0), decorated(function_1)
"""
)
IMPORT = """
import celery, celery.worker
from time import process_time
began = process_time()
from retrysim import Simulation
print((process_time() - began) * 1e3)
"""


def new_app() -> Celery:
    name = f"bench{next(NUMBERS)}"
    app = Celery(name, broker="memory://", backend="cache+memory://", set_as_current=False)

    @app.task(name=f"{name}.add", shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    app.finalize()
    return app


def start_and_stop(app: Celery) -> None:
    with Simulation() as sim:
        sim.start_worker(app)


def milliseconds(work: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    spent = []
    for _ in range(rounds):
        began = process_time()
        work()
        spent.append((process_time() - began) * 1e3)
    return spent


def load_modules(count: int, text: str = OF_A_LIBRARY, folder: str = "/usr/lib/python3/site-packages") -> None:
    code = compile(text, "module.py", "exec")
    for _ in range(count):
        module = ModuleType(f"module_{next(NUMBERS)}")
        module.__file__ = f"{folder}/{module.__name__}.py"
        exec(code, vars(module))
        sys.modules[module.__name__] = module


def row(what: str, measured: str) -> None:
    print(f"| {what} | {measured} |", flush=True)


def start_and_stop_with(same: Celery, modules: str) -> None:
    start_and_stop(same)
    ours, new = milliseconds(lambda: start_and_stop(same)), milliseconds(lambda: start_and_stop(new_app()))
    both = f"{statistics.median(ours):.1f} ms, new app {statistics.median(new):.1f} ms"
    row(f"start and stop with a worker, {modules}", both)


def main() -> None:
    logging.disable(logging.CRITICAL)
    print("| what | measured |\n|---|---|")
    imports = [float(subprocess.check_output([sys.executable, "-c", IMPORT])) for _ in range(5)]
    row("`from retrysim import Simulation`, after Celery", f"{min(imports):.0f} ms")
    same = new_app()
    start_and_stop(same)
    for more in (0, 3400):
        load_modules(more)
        start_and_stop_with(same, f"{len(sys.modules)} modules")
    load_modules(230, OF_THE_PROJECT, "/project")
    start_and_stop_with(same, "and 230 of the project's own")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent = milliseconds(lambda: start_and_stop(same), IN_A_ROW)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    first, last = statistics.median(spent[:25]), statistics.median(spent[-25:])
    row(
        f"{IN_A_ROW} in a row: the last 25 beside the first 25",
        f"{last / first:.2f} times, {grown / 1024:.0f} MiB more",
    )


if __name__ == "__main__":
    main()
