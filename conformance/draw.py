"""Draws scenarios: tasks, settings and faults that nobody thought of together. The simulation says what each ends in.

    python conformance/draw.py --seed 100 --count 20 drawn
    python conformance/draw.py --seed 100 --count 20 --wide drawn_wide
    retrysim run drawn/*.scenario.yaml --live redis --scale auto --compare --jobs 4

Each has one worker, since which of two workers takes a message is chance in reality; the instants of a scenario are far
enough apart that the jitter of a real machine seldom changes their order, and no visibility timeout ends at a sweep.
With ``--wide`` there are canvases, other pools, priorities, rate limits, tasks that end their process, and pool
processes that are killed, too.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from retrysim.scenarios import items_of, loads
from retrysim.simulation.player import play

WITHOUT_OPTIONS = (
    "give_up_softly", "be_interrupted", "be_killed", "be_killed_late", "try_again_after_the_limit", "back_off",
    "retry_without_raising", "reject", "start_chain", "start_group",
)  # fmt: skip


WIDE = (
    "start_chord", "start_chord_with_a_failing_member", "start_chord_with_a_retried_member", "start_chord_in_a_chord",
    "limited", "limited", "limited", "ignore", "fail", "exit_the_interpreter", "raise_what_cannot_be_pickled",
    "replace_itself", "send_for_later", "revoke_what_it_sends",
)  # fmt: skip
#: Tasks that end their process, or that only a process can end.
OF_PREFORK = ("exit_the_interpreter", "raise_what_cannot_be_pickled", "revoke_what_it_sends")


def draw_wide_task(draw: random.Random, pool: str) -> dict[str, Any]:
    if draw.random() < 0.5:
        return draw_task(draw)
    task: dict[str, Any] = {"task": draw.choice([name for name in WIDE if pool == "prefork" or name not in OF_PREFORK])}
    if draw.random() < 0.2:
        task["countdown"] = f"{draw.choice((17, 31, 71))}s"
    if draw.random() < 0.3:
        task["options"] = {"priority": draw.choice((0, 3, 6, 9))}
    return task


def draw_wide_faults(draw: random.Random, pool: str) -> list[dict[str, Any]]:
    if pool == "prefork" and draw.random() < 0.3:
        return [{"kill_child": "worker-1", "when": {"event": "task-started", "attempt": 1}, "name": "kill a child"}]
    return draw_faults(draw)


def draw_task(draw: random.Random) -> dict[str, Any]:
    kind = draw.choice(
        ("sleeper", "sleeper", "retried", "retried", "given up", "add", "other", "other", "other", "other")
    )
    if kind == "sleeper":
        names = ("sleep", "sleep", "sleep_late", "sleep_for_sure")
        task = {"task": draw.choice(names), "args": [draw.choice((11, 23, 37, 53))]}
    elif kind == "retried":
        countdown = draw.choice((13, 29, 47, 101))
        task = {"task": "succeed_after", "args": [draw.randint(0, 2)], "kwargs": {"countdown": countdown}}
    elif kind == "given up":
        options = {"countdown": draw.choice((13, 29, 47)), "max_retries": draw.randint(0, 2)}
        task = {"task": "fail_after_retries", "kwargs": options}
    elif kind == "add":
        task = {"task": "add", "args": [1, 2]}
    else:
        task = {"task": draw.choice(WITHOUT_OPTIONS)}
    if draw.random() < 0.25:
        task["countdown"] = f"{draw.choice((17, 31, 71))}s"
    if draw.random() < 0.2:
        task["expires"] = f"{draw.choice((19.5, 41.5, 67.5))}s"  # never the instant of a retry
    return task


def draw_faults(draw: random.Random) -> list[dict[str, Any]]:
    faults: list[dict[str, Any]] = []
    at = 0
    for number in range(draw.choice((0, 1, 1, 2))):
        at += draw.choice((21, 33, 45))
        verb = draw.choice(("kill", "stop", "quit", "cut_connections"))
        fault = {verb: "worker-1", "at": f"{at}s", "name": f"{verb} {number + 1}"}
        if verb != "cut_connections":
            fault["for"] = f"{draw.choice((7, 14))}s"
        faults.append(fault)
        at += 20
    return faults


def draw_scenario(seed: int, *, wide: bool = False) -> dict[str, Any]:
    draw = random.Random(seed)
    env = {"VISIBILITY_TIMEOUT": str(draw.choice((64, 94, 154))), "PREFETCH": str(draw.choice((1, 2, 4)))}
    if draw.random() < 0.25:
        env["SOFT_SHUTDOWN"] = str(draw.choice((15, 30)))
    if wide:
        pool = draw.choice(("prefork", "prefork", "prefork", "threads", "solo"))
        return {
            **_scenario(seed, env),
            "workers": {"concurrency": 1 if pool == "solo" else draw.choice((1, 2, 3)), "pool": pool},
            "submit": [draw_wide_task(draw, pool) for _ in range(draw.randint(2, 8))],
            "faults": draw_wide_faults(draw, pool),
        }
    return {
        **_scenario(seed, env),
        "workers": {"concurrency": draw.choice((1, 2, 3))},
        "submit": [draw_task(draw) for _ in range(draw.randint(2, 8))],
        "faults": draw_faults(draw),
    }


def _scenario(seed: int, env: dict[str, str]) -> dict[str, Any]:
    return {
        "name": f"drawn by seed {seed}",
        "app": "conformance.app:app",
        "start": "2026-03-02T09:00:00Z",
        "env": env,
        "broker": "redis",
    }


def with_what_comes_of_it(scenario: dict[str, Any]) -> str:
    """The scenario's text, which expects what the simulation makes of it."""
    (item,) = items_of(loads(json.dumps(scenario)))
    states = play(item).trace.states
    return json.dumps({**scenario, "expect": {"states": dict(states)}}, indent=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the scenario files go")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=10, help="how many scenarios, from as many seeds")
    parser.add_argument("--wide", action="store_true", help="draw from more kinds of tasks, pools and faults")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seed, options.seed + options.count):
        file = options.folder / f"drawn_{seed:03}.scenario.yaml"
        file.write_text(with_what_comes_of_it(draw_scenario(seed, wide=options.wide)) + "\n", encoding="utf-8")
        print(file)


if __name__ == "__main__":
    main()
