"""Which messages a rule strikes, and at which event a moment is."""

from __future__ import annotations

import pytest

from retrysim.faults import (
    DELIVER,
    CallRule,
    CallRules,
    Delay,
    Drop,
    Duplicate,
    MessageRule,
    Moment,
    Rules,
    TaskMessage,
)
from retrysim.trace import ApiCalled, TaskSent, TaskStarted, Trace


def message(task="proj.fetch", queue="celery", retries=0):
    return TaskMessage(task_id="1", task=task, queue=queue, retries=retries)


@pytest.fixture
def struck():
    return []


@pytest.fixture
def rules(struck):
    return Rules(lambda rule, _message: struck.append(rule.name))


def test_without_a_rule_everything_is_delivered(rules):
    assert rules.judge(message()) is DELIVER
    assert not rules


def test_a_rule_strikes_the_nth_message_and_as_many_as_it_says(rules, struck):
    rules.add(MessageRule(name="lost", verdict=Drop(), nth=2, times=2))

    assert [rules.judge(message()).verb for _ in range(5)] == ["deliver", "drop", "drop", "deliver", "deliver"]
    assert struck == ["lost", "lost"]


def test_a_rule_without_an_end_strikes_for_ever(rules):
    rules.add(MessageRule(name="lost", verdict=Drop(), times=None))

    assert {rules.judge(message()).verb for _ in range(50)} == {"drop"}


def test_a_rule_counts_only_what_it_concerns(rules):
    rules.add(MessageRule(name="late", verdict=Delay(by_ns=5), task="fetch", queue="web", retries=1))
    others = [message(task="prefetch", queue="web", retries=1), message(queue="web"), message(retries=1)]

    assert [rules.judge(one) for one in others] == [DELIVER] * 3
    assert rules.judge(message(queue="web", retries=1)) == Delay(by_ns=5)
    assert rules.concerned("late") == 1


def test_the_first_rule_that_strikes_decides_and_all_of_them_count(rules, struck):
    rules.add(MessageRule(name="first", verdict=Drop()))
    rules.add(MessageRule(name="second", verdict=Duplicate(), nth=2))

    assert [rules.judge(message()).verb for _ in range(2)] == ["drop", "duplicate"]
    assert struck == ["first", "second"]


def test_a_rule_that_was_taken_back_strikes_no_more(rules):
    rules.add(MessageRule(name="lost", verdict=Drop(), times=None))
    rules.remove("lost")

    assert rules.judge(message()) is DELIVER


def started(worker="worker-1", attempt=1):
    return TaskStarted(at_ns=0, task_id="1", name="proj.fetch", worker=worker, attempt=attempt)


def called(endpoint="GET /items", status=200):
    return ApiCalled(
        at_ns=0, fake="crm", endpoint=endpoint, status=status, decision="served", bucket="", partition="", limit=None,
        remaining=None, reset_ns=None, retry_at_ns=None, told_ns=None, task_id="1", attempt=2,
    )  # fmt: skip


def tasks(*names):
    sent = [
        TaskSent(at_ns=0, task_id=str(n), name=name, queue="celery", retries=0, eta_ns=None, parent_id=None)
        for n, name in enumerate(names, start=1)
    ]
    return Trace(events=sent).tasks


@pytest.mark.parametrize(
    ("moment", "event", "matches"),
    [
        (Moment(event="task-started"), started(), True),
        (Moment(event="task-sent"), started(), False),
        (Moment(event="task-started", task="fetch"), started(), True),
        (Moment(event="task-started", task="etch"), started(), False),
        (Moment(event="task-started", worker="worker-2"), started(), False),
        (Moment(event="task-started", attempt=2), started(), False),
        (Moment(event="api-called", endpoint="GET /items", answer="429"), called(), False),
        (Moment(event="api-called", endpoint="GET /items", answer="429", attempt=2), called(status=429), True),
    ],
)
def test_a_moment_is_an_event_that_has_all_that_is_asked(moment, event, matches):
    assert moment.matches(event, tasks("proj.fetch")["1"]) is matches


@pytest.mark.parametrize(
    ("text", "task_id", "matches"),
    [("fetch#1", "1", True), ("fetch#2", "1", False), ("fetch#2", "3", True), ("proj.fetch#2", "3", True)],
)
def test_a_moment_may_mean_one_task_of_a_name(text, task_id, matches):
    history = tasks("proj.fetch", "proj.other", "proj.fetch")[task_id]

    assert Moment(event="task-started", task=text).matches(started(), history) is matches


def test_a_call_rule_counts_the_calls_that_it_concerns_and_strikes_from_the_nth_on():
    struck = []
    rules = CallRules(lambda rule, endpoint: struck.append((rule.name, endpoint)))
    rules.add(CallRule(name="late", kind="slow", task="fetch#1", endpoint="GET /a", nth=2, by_ns=7))
    known = tasks("proj.fetch", "proj.fetch")

    calls = [("GET /a", "1"), ("GET /b", "1"), ("GET /a", "2"), ("GET /a", "1"), ("GET /a", "1")]
    answers = [rules.judge(endpoint, known[task_id], 1) for endpoint, task_id in calls]

    assert answers == [[], [], [], [("slow", 7)], []]
    assert struck == [("late", "GET /a")]
    assert rules.concerned("late") == 3


def test_a_moment_reads_as_a_person_says_it():
    moment = Moment(event="api-called", task="fetch", endpoint="GET /items", answer="429", attempt=1, nth=3)

    assert str(moment) == "api-called number 3 of fetch at GET /items answered 429 in attempt 1"
