"""A trace survives its way to disk and back, and what is no trace is refused with its line."""

from __future__ import annotations

import json

import pytest

from retrysim.errors import InputError
from retrysim.trace import RunEnded, TaskFailed, TaskSent, Trace, WorkerReady, dump_ndjson, load_ndjson

START = 1_438_603_200 * 10**9
ENDS_OF_LINES = ["\u2028", "\u2029", "\u0085", "\x1c", "\x1d", "\x1e", "\r", "\n", "\x0b", "\x0c"]


def trace_of(text):
    events = [
        WorkerReady(at_ns=START, worker="w1", concurrency=1),
        TaskSent(at_ns=START, task_id="a", name="add", queue="q", retries=0, eta_ns=None, parent_id=None),
        TaskFailed(at_ns=START, task_id="a", attempt=1, exception=text, traceback=text),
        RunEnded(at_ns=START, idle=True, holding=(("a", text),), blocked=(text,)),
    ]
    return Trace(seed=7, start_ns=START, events=events)


@pytest.mark.parametrize("character", [*ENDS_OF_LINES, "\ud800", "\x00", "\x1b", "\x9b", "\u202e", "é", "\U0001f600"])
def test_any_character_survives_writing_and_reading(tmp_path, character):
    trace = trace_of(f"before{character}after")
    file = tmp_path / "a.ndjson"

    file.write_text(dump_ndjson(trace), encoding="utf-8")
    read = load_ndjson(file.read_text(encoding="utf-8"))

    assert (list(read), read.seed, read.start_ns) == (list(trace), 7, START)


@pytest.mark.parametrize("character", ["\x1b", "\x9b", "\u202e", "\ud800", "\u2028", "\x7f", "\u0085"])
def test_what_steers_a_terminal_is_escaped_on_disk(character):
    text = dump_ndjson(trace_of(character))

    assert character not in text
    assert f"\\u{ord(character):04x}" in text


def test_bytes_of_a_trace_without_such_characters_are_as_before():
    assert dump_ndjson(trace_of("é: 'x'")).splitlines()[:2] == [
        '{"format":"retrysim-trace/1","seed":7,"start_ns":1438603200000000000}',
        '{"event":"worker-ready","at_ns":1438603200000000000,"worker":"w1","concurrency":1}',
    ]


def refused(line, value):
    """The message for a trace with that value in that line (counted from 1)."""
    lines = dump_ndjson(trace_of("no")).splitlines()
    lines[line - 1] = value if isinstance(value, str) else json.dumps(json.loads(lines[line - 1]) | value)
    with pytest.raises(InputError) as caught:
        load_ndjson("\n".join(lines))
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "value", "message"),
    [
        (1, "[]", "not a trace of retrysim: its first line is not the header of one"),
        (1, "[" * 100_000, "not a trace of retrysim: its first line is not the header of one"),
        (1, {"format": "x/2"}, "a trace of format \"x/2\": this version reads 'retrysim-trace/1'"),
        (1, {"seed": "7"}, '\'seed\' of the header: expected a whole number; got "7"'),
        (
            1,
            {"start_ns": 10**30},
            "'start_ns' of the header: expected an instant in nanoseconds since the epoch, within the calendar; got "
            "1000000000000000000000000000000",
        ),
        (2, "", "expected an event as JSON; was the file cut?"),
        (2, '{"event": "worker-rea', "expected an event as JSON; was the file cut?"),
        (2, "[" * 100_000, "expected an event as JSON; was the file cut?"),
        (2, "[1]", "expected an event, which is a JSON object; got a list"),
        (2, {"event": "worker-unready"}, 'expected an event of a known kind; got "worker-unready"'),
        (2, {"event": []}, "expected an event of a known kind; got a list"),
        (2, {"kind": 1}, 'worker-ready has no field "kind"'),
        (2, {"worker": None}, "'worker' of worker-ready: expected text; got null"),
        (2, {"concurrency": True}, "'concurrency' of worker-ready: expected a whole number of 0 to 10000; got true"),
        (2, {"concurrency": 10**9}, "'concurrency' of worker-ready: expected a whole number of 0 to 10000; got 1000000000"),
        (3, {"event": "task-received"}, 'task-received has no field "name"'),
        (4, {"attempt": 0}, "'attempt' of task-failed: expected a whole number of 1 or more, or null; got 0"),
        (4, {"at_ns": START - 1}, "expected events in order of time; this one is earlier than the line before"),
        (5, {"holding": [["a"]]}, "'holding' of run-ended: expected a list of pairs of texts; got a list"),
        (5, {"idle": 1}, "'idle' of run-ended: expected true or false; got 1"),
        (5, '{"event": "run-ended", "at_ns": 1438603200000000000}', "run-ended lacks 'idle'"),
    ],
)  # fmt: skip
def test_what_is_no_trace_is_refused_with_its_line(line, value, message):
    whole = refused(line, value)

    assert whole == (message if line == 1 and "trace of" in message else f"line {line}: {message}")
