"""What a person reads when something does not hold, word for word: what, the task, what led there, the replay."""

import re

import pytest
import requests
from celery import Celery

from retrysim import Simulation, Violation
from retrysim.durations import SECOND
from retrysim.fakes import API
from retrysim.invariants.invariant import BrokenInvariant, Problem
from retrysim.outcomes.verdict import findings_text
from retrysim.trace import (
    FaultFired,
    TaskFailed,
    TaskReceived,
    TaskRetried,
    TaskSent,
    TaskStarted,
    TaskSucceeded,
    Trace,
    WorkerStopped,
)

NOON = 1_438_603_200 * SECOND
ID = "0123456789abcdef"


def of_task(kind, seconds=0, **values):
    return kind(at_ns=NOON + round(seconds * SECOND), task_id=ID, **values)


def sent(seconds=0, retries=0, eta=None):
    eta_ns = None if eta is None else NOON + eta * SECOND
    return of_task(TaskSent, seconds, name="proj.fetch", queue="celery", retries=retries, eta_ns=eta_ns, parent_id=None)


def started(seconds, attempt, worker):
    return of_task(TaskStarted, seconds, name="proj.fetch", worker=worker, attempt=attempt)


MOVED = [
    sent(),
    of_task(TaskReceived, worker="worker-1"),
    started(0.5, 1, "worker-1"),
    sent(0.5, retries=1, eta=60),
    of_task(TaskRetried, 0.5, attempt=1, due_ns=NOON + 60 * SECOND, exception="ValueError: no"),
    of_task(TaskReceived, 0.5, worker="worker-2"),
    FaultFired(at_ns=NOON + SECOND, name="lights out", verb="kill", target="worker-2"),
    WorkerStopped(at_ns=NOON + SECOND, worker="worker-2", how="killed"),
    started(60, 2, "worker-1"),
    of_task(TaskSucceeded, 60, attempt=2, result="1"),
]


def test_a_task_that_moved_has_a_column_for_each_worker():
    finding = BrokenInvariant(
        invariant="it_stays", problems=(Problem(text="it moved", task_id=ID),), judged=3, of="task"
    )

    assert findings_text(Trace(start_ns=NOON, events=MOVED), [finding]).splitlines() == [
        "it_stays: it moved",
        "  task      proj.fetch[0123456789abcdef]",
        "  timeline  500ms RETRY 59.5s SUCCESS",
        "              broker                           worker-1                        worker-2",
        "  12:00:00    to celery",
        "                                               received",
        "  12:00:00.5                                   attempt 1",
        "              retry 1 to celery, due 12:01:00",
        "                                               RETRY in 59.5s: ValueError: no",
        "                                                                               received",
        "  12:00:01    fault lights out: kill worker-2",
        "                                                                               the worker is gone (killed)",
        "  12:01:00                                     attempt 2",
        "                                               SUCCESS",
        "  it holds for 2 of 3 (task)",
    ]


def test_two_hundred_alike_are_told_once_and_other_kinds_apart():
    alike = [Problem(text=f"proj.fetch[{n:08x}] came {n}s late (at 12:00:{n % 60:02d})") for n in range(200)]
    finding = BrokenInvariant(invariant="nobody_is_late", problems=(*alike, Problem(text="the queue is full")))

    assert findings_text(Trace(), [finding]).splitlines() == [
        "nobody_is_late: proj.fetch[00000000] came 0s late (at 12:00:00)",
        "  and 199 more like it",
        "  and: the queue is full",
    ]


def test_where_no_task_shows_it_the_faults_before_are_told():
    finding = BrokenInvariant(invariant="elapsed", problems=(Problem(text="expected 1m, got 2m"),))

    assert findings_text(Trace(events=MOVED), [finding]).splitlines() == [
        "elapsed: expected 1m, got 2m",
        "  before    fault lights out: kill worker-2",
        "  before    worker-2 was gone (killed)",
    ]


def test_a_long_history_shows_its_beginning_and_its_end():
    events = [sent()]
    for attempt in range(1, 21):
        events += [
            started(attempt, attempt, "worker-1"),
            of_task(TaskRetried, attempt, attempt=attempt, due_ns=NOON, exception=""),
        ]
    finding = BrokenInvariant(invariant="x", problems=(Problem(text="y", task_id=ID),))

    lines = findings_text(Trace(events=events), [finding]).splitlines()

    assert len(lines) == 3 + 1 + 17
    assert lines[12] == "  ... 25 rows ..."


IN_A_LIBRARY = """\
Traceback (most recent call last):
  File "/venv/lib/python3.12/site-packages/hooks/tasks.py", line 51, in fire
    session.send(request)
  File "/venv/lib/python3.12/site-packages/requests/adapters.py", line 729, in send
    raise ConnectionError(error)
requests.exceptions.ConnectionError: refused

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/venv/lib/python3.12/site-packages/celery/app/trace.py", line 564, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/venv/lib/python3.12/site-packages/hooks/tasks.py", line 55, in fire
    code = error.response.status_code
AttributeError: 'NoneType' object has no attribute 'status_code'
"""


def test_of_a_task_of_an_installed_package_the_frames_of_its_own_file_are_shown():
    failed = of_task(TaskFailed, 1, attempt=1, exception="AttributeError: no", traceback=IN_A_LIBRARY)
    finding = BrokenInvariant(invariant="x", problems=(Problem(text="y", task_id=ID),))

    lines = findings_text(Trace(events=[sent(), started(1, 1, "worker-1"), failed]), [finding]).splitlines()

    assert lines[lines.index("  Traceback (most recent call last):") :] == [
        "  Traceback (most recent call last):",
        '    File "/venv/lib/python3.12/site-packages/hooks/tasks.py", line 51, in fire',
        "      session.send(request)",
        "    (1 inside of libraries)",
        "  requests.exceptions.ConnectionError: refused",
        "  ",
        "  During handling of the above exception, another exception occurred:",
        "  ",
        "  Traceback (most recent call last):",
        '    File "/venv/lib/python3.12/site-packages/hooks/tasks.py", line 55, in fire',
        "      code = error.response.status_code",
        "  AttributeError: 'NoneType' object has no attribute 'status_code'",
    ]


SECRET = "s3cr3t-t0ken-of-a-user"


@pytest.fixture
def failed():
    app = Celery("secrets", broker="redis://nobody.example/0", set_as_current=False)

    @app.task(name="secrets.call", shared=False)
    def call(token):
        response = requests.get("https://crm.acme.io/", headers={"Authorization": f"Bearer {token}"}, timeout=5)
        raise ValueError(f"token={token} Authorization: Bearer {token} got {response.status_code}")

    with Simulation() as sim:
        sim.serve(API("https://crm.acme.io", limit="1 per minute"))
        sim.start_worker(app)
        app.tasks["secrets.call"].delay(SECRET)
        sim.run()
        with pytest.raises(Violation) as caught:
            sim.check()
    return str(caught.value)


def test_no_secret_is_in_the_text_and_the_traceback_is_the_users_own(failed):
    assert SECRET not in failed
    lines = [re.sub(r"\[[0-9a-f-]+\]", "[ID]", line) for line in failed.splitlines()]
    assert lines[0] == (
        "no_task_fails: secrets.call[ID] ended in FAILURE after 1 attempt: "
        "ValueError: token=*** Authorization: token-1 got 200"
    )
    assert [line for line in lines if "celery/app/trace.py" in line] == []
    assert [line for line in lines if "in call" in line] != []
    assert lines[-1] == "replay: Simulation(seed=0)"
