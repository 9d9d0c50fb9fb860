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

REFUND = """\
name: a refund
app: scenarios.apps.orders:app
broker: redis
workers: {count: 2}
submit: [{task: refund}]
"""

LONG = """\
name: a long task
app: scenarios.apps.orders:app
broker: redis
submit: [{task: render}]
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
            "{kill: worker-1, when: {event: task-started, task: 'charge#x'}}",
            "f.yaml:8:56: faults[0].when.task: expected the name of a task, or one task of that name, such as push_contact#3; got 'charge#x'",
        ),
        (
            "{trouble: {kind: slow}}",
            "f.yaml:8:15: faults[0].trouble: by is for kind: slow, which needs it",
        ),
        (
            "{trouble: {kind: answer_lost}, at: 3s}",
            "f.yaml:8:40: faults[0].at: trouble strikes calls when they are made; choose them by nth and times",
        ),
        (
            "{kill: worker-1, at: 3s, grace: 3s}",
            "f.yaml:8:37: faults[0].grace: is for deploy",
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
            "f.yaml:8:5: faults[0]: does nothing; expected one of kill, kill_child, stop, soft_stop, quit, deploy, restart, "
            "partition, cut_connections, cut_in_mid_answer, slow_down, close_connections, raise_alarm, slow_results, skew_clock, drop, duplicate, delay, fail, trouble",
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
        (
            "{skew_clock: broker, by: 1s, at: 1s}",
            "f.yaml:8:18: faults[0].skew_clock: skew_clock is for a worker, such as worker-1",
        ),
        (
            "{skew_clock: worker-3, by: 1s, at: 1s}",
            "f.yaml:8:18: faults[0].skew_clock: no worker is named 'worker-3' (there is worker-1, worker-2)",
        ),
        (
            "{skew_clock: sender, at: 1s}",
            "f.yaml:8:18: faults[0].skew_clock: by is for skew_clock and slow_down, which need it",
        ),
        (
            "{kill: worker-1, by: 3s, at: 1s}",
            "f.yaml:8:26: faults[0].by: by is for skew_clock and slow_down, which need it",
        ),
        (
            "{skew_clock: sender, by: -soon, at: 1s}",
            "f.yaml:8:30: faults[0].by: expected how far the clock is ahead, such as 30s, or behind, such as -30s; got '-soon'",
        ),
        (
            "{partition: worker-1, from: pai, at: 1s}",
            "f.yaml:8:33: faults[0].from: no fake is named 'pai'; did you mean 'pay'?",
        ),
        (
            "{kill: worker-1, from: pay, at: 1s}",
            "f.yaml:8:28: faults[0].from: is for partition, cut_connections, cut_in_mid_answer, slow_down",
        ),
        ("{slow_down: all, from: pay, by: -1s, at: 1s}", "f.yaml:8:37: faults[0].by: must be more than 0"),
        (
            "{partition: all, from: pay, at: 1s}",
            "f.yaml:8:17: faults[0].partition: partition is for a worker, such as worker-1",
        ),
        (
            "{stop: pai, at: 1s}",
            "f.yaml:8:12: faults[0].stop: no worker is named 'pai' (there is worker-1, worker-2)",
        ),
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
        "f.yaml:7:15: faults[0].restart: needs a broker that can break; write broker: redis or broker: rabbitmq"
    )


def test_every_verb_is_in_the_published_schema():
    from retrysim.scenarios.fault import MESSAGE_VERBS, VERBS
    from retrysim.scenarios.published import SCHEMA_FILE

    text = Path(SCHEMA_FILE).read_text(encoding="utf-8")
    assert [verb for verb in (*VERBS, *MESSAGE_VERBS) if f'"{verb}"' not in text] == []


def test_a_deployment_ends_with_sigkill_when_the_grace_time_is_over_and_starts_a_new_worker():
    outcome = played("  - {deploy: worker-1, when: {event: task-started, task: render}, grace: 20s}\n", LONG)

    ends = [(second, event.how) for second, event in events(outcome, "worker-stopped")]
    assert ends[0] == (20, "killed")
    assert [(second, event.verb) for second, event in events(outcome, "fault")] == [
        (0, "deploy"), (20, "kill"), (20, "restart"),
    ]  # fmt: skip


def test_a_deployment_of_a_worker_that_ends_in_time_kills_nobody():
    outcome = played("  - {deploy: worker-1, when: {event: task-started, task: render}, grace: 40s}\n", LONG)

    assert next((second, event.how) for second, event in events(outcome, "worker-stopped")) == (30, "warm")
    assert [(second, event.verb) for second, event in events(outcome, "fault")] == [(0, "deploy"), (30, "restart")]
    assert outcome.trace.states == {"SUCCESS": 1}


@pytest.mark.parametrize(
    ("fault", "ended", "verbs"),
    [
        ("partition: worker-1, from: pay, {when}, for: 1m", (5, "ReadTimeout"), ["partition", "repair"]),
        ("slow_down: worker-1, from: pay, by: 2s, {when}, for: 1m", (4, 200), ["slow_down", "slow_down ends"]),
        ("slow_down: all, from: pay, by: 3s, {when}", (5, "ReadTimeout"), ["slow_down"]),
        ("cut_connections: worker-2, from: pay, {when}", (0, 200), ["cut_connections"]),
        ("cut_in_mid_answer: all, from: pay, {when}", (0, "ConnectionError"), ["cut_in_mid_answer"]),
        ("stop: pay, {when}, for: 1m", (0, "ConnectionError"), ["stop", "start"]),
        ("restart: pay, {when}, for: 1m", (0, "ConnectionError"), ["stop", "start"]),
    ],
)
def test_a_fault_from_a_fake_strikes_the_calls_of_it(fault, ended, verbs):
    head = HEAD.replace(", {task: refund}", "")
    outcome = played(f"  - {{{fault.format(when='when: {event: task-started, task: charge}')}}}\n", head)

    failed = [(second, event.exception.partition(":")[0]) for second, event in events(outcome, "task-failed")]
    succeeded = [(second, int(event.result)) for second, event in events(outcome, "task-succeeded")]
    assert [*failed, *succeeded] == [ended]
    assert [event.verb for _, event in events(outcome, "fault")] == verbs


def test_calls_are_as_fast_as_before_once_a_slow_way_has_ended():
    head = HEAD.replace("args: [1]}, {task: refund}", "args: [1], at: 1s}, {task: charge, args: [2], at: 2m}")
    outcome = played("  - {slow_down: all, from: pay, by: 2s, at: 0s, for: 1m}\n", head)

    assert [second for second, _ in events(outcome, "task-succeeded")] == [5, 120]


def test_a_fault_from_a_fake_needs_no_broker_that_can_break():
    fault = "  - {cut_in_mid_answer: all, from: pay, when: {event: task-started, task: charge}}\n"
    outcome = played(fault, HEAD.replace("broker: redis\n", "").replace(", {task: refund}", ""))

    assert outcome.trace.states == {"FAILURE": 1}


@pytest.mark.parametrize(("by", "second"), [("10m", 2400), ("-10m", 1200), (-600, 1200)])
def test_a_retry_of_a_worker_with_a_skewed_clock_runs_that_much_later(by, second):
    outcome = played(
        f"  - {{skew_clock: worker-1, by: {by}, when: {{event: task-started, task: refund}}, for: 5m}}\n", REFUND
    )

    assert [(at, event.worker) for at, event in events(outcome, "task-started")] == [
        (0, "worker-1"), (second, "worker-2"),
    ]  # fmt: skip
    assert [(at, event.verb, event.target) for at, event in events(outcome, "fault")] == [
        (0, "skew_clock", "worker-1"), (300, "set_clock", "worker-1"),
    ]  # fmt: skip


def test_what_a_sender_with_a_skewed_clock_sends_runs_that_much_later():
    head = REFUND.replace("{task: refund}", "{task: refund, at: 1s, countdown: 60}")
    outcome = played("  - {skew_clock: sender, by: 30s, at: 0s}\n", head)

    assert events(outcome, "task-started")[0][0] == 91


def test_a_fault_may_come_some_time_after_its_event():
    outcome = played("  - {kill: worker-1, when: {event: task-started, after: 10s}, for: 1s}\n", LONG)

    assert next((second, event.verb) for second, event in events(outcome, "fault")) == (10, "kill")


def test_trouble_meets_the_calls_that_are_chosen():
    outcome = played("  - {trouble: {kind: internal_error, task: charge#1, endpoint: POST /charges}}\n")

    assert [event.answer for _, event in events(outcome, "api-called")] == ["500"]
    assert [(event.verb, event.target) for _, event in events(outcome, "fault")] == [
        ("internal_error", "POST /charges")
    ]


def test_a_slow_answer_comes_after_the_timeout_of_the_client():
    outcome = played("  - {trouble: {kind: slow, endpoint: POST /charges, by: 10s}}\n")

    (failed,) = [task for task in outcome.trace.tasks.values() if task.state == "FAILURE"]
    assert failed.failure.exception.startswith("ReadTimeout")


def test_trouble_that_met_no_call_fails_the_scenario():
    outcome = played("  - {trouble: {kind: answer_lost, task: charge#2}}\n")

    assert outcome.text().splitlines()[0] == "every_fault_happens: 'trouble' never happened: it concerned 0 calls"
