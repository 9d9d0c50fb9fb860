"""Plays every scenario file twice, with pool processes that share memory and with isolated ones, and kills many.

    python judges/isolated_processes.py gallery [FILE...]   # the traces are the same, byte for byte, but for the known
    python judges/isolated_processes.py kills --runs 500    # no process, zombie or file is left
    python judges/isolated_processes.py interrupts          # a Ctrl-C at 30 random instants leaves none either

Exits 1 when one of them does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any

from celery import Celery

from retrysim import Simulation
from retrysim.scenarios import items_of, load
from retrysim.simulation.crew import Crew
from retrysim.simulation.player import play

ROOT = Path(__file__).parents[1]
_DRAWS = "its tasks draw from the module random, which is a process's own"
#: What differs -> why.
KNOWN = {
    "autoretry_with_backoff": _DRAWS,
    "05_odd_then_even": _DRAWS,
    "06_odd_then_odd": _DRAWS,
    "07_eta_odd_then_even": _DRAWS,
    "08_eta_odd_then_odd": _DRAWS,
    "transient_queue": "an error of py-amqp has its arguments in another order when it was pickled, as by a real child",
}

app = Celery("judge", broker="memory://", set_as_current=False)


@app.task
def work(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


# -- the gallery -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def isolated(on: bool) -> Iterator[None]:
    """Let every worker of prefork be isolated, or none."""
    real = Crew.start_worker

    def start_worker(self: Any, app: Any, **options: Any) -> Any:
        self.isolated, options["isolated"] = on, None
        return real(self, app, **options)

    Crew.start_worker = start_worker  # type: ignore[method-assign]
    try:
        yield
    finally:
        Crew.start_worker = real  # type: ignore[method-assign]


def differences(file: Path) -> Iterator[str]:
    """The lines in which the traces of each item differ."""
    for item in items_of(load(file)):
        if item.celery != "worker":
            continue
        traces = []
        for on in (False, True):
            with isolated(on):
                traces.append(play(item).ndjson.splitlines())
        yield from unified_diff(*traces, lineterm="", n=0)


def gallery(files: list[Path]) -> bool:
    good = True
    for file in files or sorted(
        [*ROOT.glob("scenarios/**/*.scenario.yaml"), *ROOT.glob("conformance/*.scenario.yaml")]
    ):
        if "isolated: true" in file.read_text():
            continue  # about memory: it differs on purpose
        name = file.name.removesuffix(".scenario.yaml")
        lines = list(differences(file))
        good = good and (not lines or name in KNOWN)
        known = [f"known: {KNOWN[name]}"] if name in KNOWN else []
        print("same" if not lines else "known" if known else "DIFFERS", file.name, *known, *lines[:4], sep="\n    ")
        sys.stdout.flush()
    return good


# -- what is left ------------------------------------------------------------------------------------------------------


def left_behind(before: set[str]) -> list[str]:
    """Processes and files that were not there before."""
    gc.collect()
    found = [f"file {name}" for name in {file.name for file in Path("/proc/self/fd").iterdir()} - before]
    with contextlib.suppress(ChildProcessError):
        pid, status = os.waitpid(-1, os.WNOHANG)
        found.append(f"process {pid or '?'}, status {status}")
    return found


def kill_some(seed: int) -> None:
    """One run, in which chance decides who is killed when."""
    chance = random.Random(seed)
    with Simulation(seed=seed) as sim:
        worker = sim.start_worker(app, concurrency=2, isolated=True)
        pids = [work.delay(chance.uniform(0, 3)) for _ in range(4)]
        sim.run_for(chance.uniform(0, 2))
        if chance.random() < 0.5 and worker.running:
            worker.kill_child()
        if chance.random() < 0.3:
            for face in sim.environment.faces.alive[:1]:
                os.kill(face.pid, signal.SIGKILL)  # somebody else, outside of the simulation
        if chance.random() < 0.5:
            sim.run_for(chance.uniform(0, 4))
        if chance.random() < 0.5:
            worker.kill()
        assert len(pids) == 4


def members(session: int) -> list[int]:
    """The processes of a session of the operating system."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                found.append(int(stat.parent.name))
    return found


def interrupts(times: int) -> bool:
    """Press Ctrl-C while another interpreter plays, at instants that chance decides; who is left then?"""
    for seed in range(times):
        played = subprocess.Popen(
            [sys.executable, __file__, "kills", "--runs", "100000"],
            start_new_session=True,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background ignores it
        )
        time.sleep(random.Random(seed).uniform(0.6, 3))
        for _ in range(5):  # one that comes while Python runs a finalizer is lost, in any program
            os.killpg(played.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                played.wait(4)
                break
        time.sleep(0.1)
        if left := members(played.pid):
            print(f"Ctrl-C {seed} leaves the processes {left}")
            return False
    print(f"{times} times Ctrl-C leave no process")
    return True


def leaves_nothing(play_one: Any, runs: int) -> bool:
    play_one(0)
    gc.collect()
    before = {file.name for file in Path("/proc/self/fd").iterdir()}
    for seed in range(1, runs):
        play_one(seed)
        if found := left_behind(before):
            print(f"run {seed} leaves {', '.join(found)}")
            return False
    print(f"{runs} runs leave nothing")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["gallery", "kills", "interrupts"])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--runs", type=int)
    asked = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    if asked.what == "gallery":
        return not gallery(asked.files)
    if asked.what == "interrupts":
        return not interrupts(asked.runs or 30)
    return not leaves_nothing(kill_some, asked.runs or 500)


if __name__ == "__main__":
    sys.exit(main())
