"""A task's traceback is that of a real worker: what is remembered for speed changes none, our frames are left out."""

import pickle
import time
import traceback

from billiard import einfo
from billiard.einfo import ExceptionInfo
from celery import Celery

from retrysim import Simulation
from retrysim.celery.tracebacks import leave_our_frames_out, remember_code_positions
from retrysim.trace import TaskFailed
from retrysim.undo import UndoStack


def failing(depth):
    if depth:
        return failing(depth - 1) + 1
    return {"a": 1}["b"] + 1


def described():
    try:
        failing(3)
    except KeyError:
        info = ExceptionInfo()
    return info.traceback, pickle.dumps(info.tb), list(traceback.format_tb(info.tb))


def test_texts_and_pickles_are_those_of_billiard_and_traceback():
    before = described()
    with UndoStack() as undo:
        remember_code_positions(undo)
        first, second = described(), described()
        remembered = einfo._Frame.Code(failing.__code__) is einfo._Frame.Code(failing.__code__)

    assert remembered
    assert first[0] == second[0] == before[0]
    assert first[2] == second[2] == before[2]
    assert pickle.loads(first[1]).tb_lineno == pickle.loads(before[1]).tb_lineno


def test_it_is_undone():
    functions = {name: vars(traceback).get(name) for name in dir(traceback)}
    code = einfo._Frame.Code
    with UndoStack() as undo:
        remember_code_positions(undo)
        leave_our_frames_out(undo)
        assert einfo._Frame.Code is not code
        assert einfo.traceback is not traceback

    assert einfo._Frame.Code is code
    assert einfo.traceback is traceback
    assert {name: vars(traceback).get(name) for name in dir(traceback)} == functions


def test_a_traceback_ends_where_the_task_waited():
    app = Celery("waits", broker="memory://", set_as_current=False)

    @app.task(name="wait_too_long", shared=False, soft_time_limit=2)
    def wait_too_long():
        time.sleep(60)

    with Simulation() as sim:
        sim.start_worker(app)
        wait_too_long.delay()
        sim.run()

    (failed,) = sim.trace.of(TaskFailed)
    lines = failed.traceback.splitlines()
    frames = [number for number, line in enumerate(lines) if line.startswith("  File ")]
    assert lines[frames[-2]].endswith("in wait_too_long")
    assert lines[frames[-2] + 1] == "    time.sleep(60)"
    assert lines[frames[-1]].endswith("in soft_timeout_sighandler")  # billiard's, as on a real worker
    assert lines[-1].startswith("billiard.exceptions.SoftTimeLimitExceeded")


def test_a_stored_traceback_has_no_frame_of_what_stands_in_for_a_wait():
    app = Celery("waits", broker="memory://", backend="cache+memory://", set_as_current=False)

    @app.task(name="wait_too_long", shared=False, soft_time_limit=2)
    def wait_too_long():
        time.sleep(60)

    with Simulation() as sim:
        sim.start_worker(app)
        result = wait_too_long.delay()
        sim.run()
        stored = result.traceback

    functions = [line.rpartition("in ")[2] for line in stored.splitlines() if line.startswith("  File ")]
    assert functions == ["trace_task", "__protected_call__", "wait_too_long", "soft_timeout_sighandler"]
