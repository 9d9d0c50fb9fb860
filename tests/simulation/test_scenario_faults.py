"""Faults of scenario files: what happens, what never does, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrysim.errors import ScenarioError
from retrysim.scenarios import items_of, loads
from retrysim.simulation.player import play

HEAD = """\
name: orders
app: scenarios.apps.orders:app
broker: redis
workers: {count: 2}
fakes: {pay: {url: "https://pay.example", answer: {paid: true}}}
submit: [{task: charge, args: [1]}, {task: refund}]
"""


def played(faults, head=HEAD):
    scenario = loads(f"{head}faults:\n{faults}", file="f.yaml")
    return play(items_of(scenario)[0])


def error_of(faults, head=HEAD):
    with pytest.raises(ScenarioError) as caught:
        played(faults, head)
    return str(caught.value)


def events(outcome, kind):
    start_ns = outcome.trace.start_ns
    return [((event.at_ns - start_ns) // 10**9, event) for event in outcome.trace if event.kind == kind]


def test_a_fault_at_an_instant_is_undone_after_its_time():
    outcome = played("  - {kill: worker-1, at: 10m, for: 1m}\n")

    assert [(second, event.verb) for second, event in events(outcome, "fault")] == [(600, "kill"), (660, "restart")]
    assert [(second, event.worker) for second, event in events(outcome, "worker-ready")][-1] == (660, "worker-1")


def test_a_fault_at_an_event_happens_before_anything_else_does():
    outcome = played("  - {kill: worker-1, when: {event: api-called, endpoint: POST /charges, answer: 200}}\n")

    kinds = [event.kind for event in outcome.trace]
    assert kinds[kinds.index("api-called") :][1:3] == ["worker-stopped", "fault"]


def test_a_running_worker_that_is_restarted_is_stopped_warm_first():
    outcome = played("  - {restart: worker-2, at: 5s}\n")

    stopped = [(event.worker, event.how) for _, event in events(outcome, "worker-stopped")]
    assert stopped == [("worker-2", "warm"), *stopped[1:]]
    assert [event.worker for _, event in events(outcome, "worker-ready")] == ["worker-1", "worker-2", "worker-2"]


def test_a_fault_that_never_happened_fails_the_scenario():
    outcome = played("  - {name: power cut, kill: worker-1, when: {event: task-started, task: charge, nth: 3}}\n")

    assert not outcome.passed
    assert outcome.text().splitlines()[0] == (
        "every_fault_happens: 'power cut' never happened: it waited for task-started number 3 of charge, and there were 1"
    )


def test_a_fault_of_messages_that_struck_none_fails_the_scenario():
    outcome = played("  - {drop: {task: charge, nth: 2}}\n")

    assert outcome.text().splitlines()[0] == "every_fault_happens: 'drop' never happened: it concerned 1 messages"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            "{kill: worker-3, at: 1s}",
            "f.yaml:8:12: faults[0].kill: no worker is named 'worker-3' (there is worker-1, worker-2)",
        ),
        (
            "{kill: worker-1, when: {event: task-started, task: chargee}}",
            "f.yaml:8:56: faults[0].when.task: the app has no task 'chargee'; did you mean 'charge'?",
        ),
        (
            "{kill: worker-1}",
            "f.yaml:8:5: faults[0]: never happens; say when: an instant (at: 30s), or an event "
            "(when: {event: task-started})",
        ),
        (
            "{kill: worker-1, at: 2000-01-01T00:00:00Z}",
            "f.yaml:8:26: faults[0].at: is before the start; a fault happens at the start or later",
        ),
        (
            "{kill: worker-1, at: 1s, when: {event: task-sent}}",
            "f.yaml:8:36: faults[0].when: at is given too; keep one of them",
        ),
        (
            "{kill: worker-1, when: {event: task-sent, worker: worker-1}}",
            "f.yaml:8:55: faults[0].when.worker: task-sent has no worker, so this never comes true; ask it of "
            "worker-ready or worker-stopped or task-received or task-started",
        ),
        (
            "{kill: worker-1, when: {event: worker-ready, task: charge}}",
            "f.yaml:8:56: faults[0].when.task: worker-ready belongs to no task, so this never comes true",
        ),
        (
            "{kill: worker-1, stop: worker-1, at: 1s}",
            "f.yaml:8:5: faults[0]: kill and stop are two faults; give each an entry of its own",
        ),
        (
            "{at: 1s}",
            "f.yaml:8:5: faults[0]: does nothing; expected one of kill, kill_child, stop, soft_stop, quit, restart, "
            "partition, cut_connections, slow_results, drop, duplicate, delay, fail",
        ),
        (
            "{drop: {task: charge}, at: 1s}",
            "f.yaml:8:32: faults[0].at: drop strikes messages when they are published; choose them by nth and times",
        ),
        (
            "{cut_connections: all, at: 1s, for: 5s}",
            "f.yaml:8:41: faults[0].for: cut_connections is over at once; there is nothing to undo",
        ),
        (
            "{kill: worker-1, at: 1s, lose_data: true}",
            "f.yaml:8:41: faults[0].lose_data: is for stop: broker and restart: broker",
        ),
        ("{kill: broker, at: 1s}", "f.yaml:8:12: faults[0].kill: kill is for a worker, such as worker-1"),
        ("{kil: worker-1, at: 1s}", "f.yaml:8:6: faults[0].kil: unknown key; did you mean 'kill'?"),
    ],
)
def test_a_fault_that_cannot_be_is_one_clear_error(fault, message):
    assert error_of(f"  - {fault}\n") == message


def test_two_faults_of_one_name_cannot_be_told_apart():
    assert error_of("  - {kill: worker-1, at: 1s}\n  - {kill: worker-1, at: 2s}\n") == (
        "f.yaml:9:5: faults[1]: another fault is called 'kill worker-1'; give this one a name of its own"
    )


def test_what_needs_a_server_says_so_on_the_memory_transport():
    assert error_of("  - {restart: broker, at: 1s}\n", HEAD.replace("broker: redis\n", "")) == (
        "f.yaml:7:15: faults[0].restart: needs a broker that can break; write broker: redis"
    )


def test_every_verb_is_in_the_published_schema():
    from retrysim.scenarios.fault import MESSAGE_VERBS, VERBS
    from retrysim.scenarios.published import SCHEMA_FILE

    text = Path(SCHEMA_FILE).read_text(encoding="utf-8")
    assert [verb for verb in (*VERBS, *MESSAGE_VERBS) if f'"{verb}"' not in text] == []
