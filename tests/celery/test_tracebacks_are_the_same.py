"""What is remembered for speed changes no traceback."""

import pickle
import traceback

from billiard.einfo import ExceptionInfo

from retrysim.celery.tracebacks import remember_code_positions
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

    assert first[0] == second[0] == before[0]
    assert first[2] == second[2] == before[2]
    assert pickle.loads(first[1]).tb_lineno == pickle.loads(before[1]).tb_lineno


def test_it_is_undone():
    functions = {name: vars(traceback).get(name) for name in dir(traceback)}
    with UndoStack() as undo:
        remember_code_positions(undo)

    assert {name: vars(traceback).get(name) for name in dir(traceback)} == functions
