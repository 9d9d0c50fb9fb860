"""When a live run is over, judged from its events: no worker is started here."""

import pytest

from retrysim.errors import InputError
from retrysim.live.crew import WorkerProcess
from retrysim.live.order import WorkerOrder
from retrysim.live.quiet import held_copies
from retrysim.trace import TaskReceived, TaskRevoked, TaskSent, TaskStarted, TaskSucceeded, WorkerReady, WorkerStopped


def sent(at, eta=None):
    return TaskSent(at_ns=at, task_id="t", name="nap", queue="celery", retries=0, eta_ns=eta, parent_id=None)


def received(at, worker="one"):
    return TaskReceived(at_ns=at, task_id="t", worker=worker)


def started(at, worker="one", attempt=1):
    return TaskStarted(at_ns=at, task_id="t", name="nap", worker=worker, attempt=attempt)


def revoked(at, attempt):
    return TaskRevoked(at_ns=at, task_id="t", attempt=attempt, expired=False, terminated=attempt is not None)


def succeeded(at):
    return TaskSucceeded(at_ns=at, task_id="t", result="1", attempt=1)


def test_a_copy_that_a_worker_holds_is_waited_for_after_another_one_has_succeeded():
    events = [sent(0, eta=50), received(1), received(2, "two"), started(3, "two"), succeeded(4)]

    assert held_copies(events, {"one", "two"}) == [50]
    assert held_copies([*events, started(50, attempt=2)], {"one", "two"}) == []


@pytest.mark.parametrize(("attempt", "held"), [(None, [50]), (1, [50, 50])])
def test_a_revoked_message_is_one_copy_and_what_ran_was_none(attempt, held):
    events = [sent(0, eta=50), received(1), received(2, "two"), revoked(50, attempt)]

    assert held_copies(events, {"one", "two"}) == held


@pytest.mark.parametrize("end", [WorkerStopped(at_ns=5, worker="one", how="killed"), None])
def test_a_copy_of_a_worker_that_is_gone_or_was_started_anew_is_not_waited_for(end):
    events = [sent(0, eta=50), received(1)]
    anew = [WorkerReady(at_ns=6, worker="one", concurrency=1)]

    assert held_copies([*events, *([end] if end else []), *anew], {"one"}) == []
    assert held_copies(events, set()) == []


def test_a_fault_on_a_worker_that_has_ended_says_so(tmp_path):
    order = WorkerOrder.__new__(WorkerOrder)
    object.__setattr__(order, "name", "worker-1")
    worker = WorkerProcess(order, str(tmp_path), lambda _event: None)

    for strike in (worker.kill, worker.ask_to_stop):
        with pytest.raises(InputError, match=r"^worker-1 has stopped already$"):
            strike()
