"""The same seed gives the same trace, byte for byte, isolated or not, for tasks that keep nothing in memory.

A few scenarios of each kind; ``judges/isolated_processes.py gallery`` plays all of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from retrysim.scenarios import items_of, load
from retrysim.simulation.crew import Crew
from retrysim.simulation.player import play

ROOT = Path(__file__).parents[2]
FILES = [
    "conformance/16_soft_limit_retried",
    "conformance/18_hard_limit_late_ack",
    "conformance/21_limit_of_an_api",
    "conformance/26_chord_with_a_retried_member",
    "conformance/32_kill_late_ack",
    "conformance/35_cold_shutdown",
    "conformance/39_child_killed_late_ack",
    "conformance/42_connection_cut",
    "conformance/45_unpicklable_exception",
    "conformance/49_system_exit_late_ack",
    "conformance/52_exit_at_once_late_ack",
    "conformance/56_stamps",
    "conformance/65_rabbitmq_chord",
    "conformance/74_rabbitmq_child_killed_late_ack",
    "scenarios/traps/sleeping_task",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_scenario_has_the_same_trace_isolated_or_not(name, monkeypatch):
    [item] = [item for item in items_of(load(ROOT / f"{name}.scenario.yaml")) if item.celery == "worker"]
    shared = play(item)
    start_worker = Crew.start_worker
    monkeypatch.setattr(Crew, "start_worker", lambda crew, app, **options: start_worker(crew, app, **isolated(options)))

    assert play(item).ndjson == shared.ndjson


def isolated(options):
    return {**options, "isolated": True}
