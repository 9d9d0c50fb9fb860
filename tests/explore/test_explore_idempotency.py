"""A call that is repeated with the same key has its effect once: what a scenario says of it, and what explore makes of it."""

from __future__ import annotations

import pytest
from tests.explore.conftest import HEAD
from tests.explore.shop import API as SHOP
from tests.explore.shop import app, pay

import retrysim
from retrysim.errors import InputError, ScenarioError
from retrysim.fakes import API
from retrysim.fakes.idempotency import Idempotency
from retrysim.fakes.request import Request
from retrysim.invariants import calls_have_effect_once
from retrysim.scenarios import loads
from retrysim.trace import ApiCalled, dump_ndjson, load_ndjson

pytestmark = pytest.mark.slow

PAY = "submit: [{task: pay}]\n"


def worsts(exploration):
    assert exploration.errors == []
    return {fault: cell.worst for (_, fault), cell in exploration.matrix.cells.items()}


@pytest.mark.parametrize(
    ("given", "worst"),
    [
        ("", "twice"),
        ("idempotency: [{header: idempotency-key}]\n", "ok"),
        ("idempotency: [{argument: order, endpoint: POST /charges}]\n", "ok"),
        ("idempotency: [{argument: order, endpoint: POST /contacts}]\n", "twice"),
        ("idempotency: [{header: X-Request-Id}]\n", "twice"),
    ],
)
def test_a_call_that_is_repeated_with_its_key_is_not_twice(explored, given, worst):
    exploration = explored(PAY + given, "answer_lost", "message_doubled", writes=False)

    assert worsts(exploration) == {"answer_lost": worst, "message_doubled": worst}


def test_the_file_of_another_finding_keeps_it(explored, tmp_path):
    explored(f"{PAY}idempotency: [{{header: Idempotency-Key}}]\n", "child_killed")

    (path,) = (tmp_path / "found").iterdir()
    assert path.read_text().count("idempotency:\n  - {header: Idempotency-Key}\n") == 1


@pytest.mark.parametrize("given", ["{endpoint: POST /charges}", "{header: A, argument: b}"])
def test_neither_or_both_is_one_clear_error(given):
    with pytest.raises(ScenarioError) as caught:
        loads(f"{HEAD}{PAY}idempotency: [{given}]\n", file="f.yaml")

    assert str(caught.value) == (
        "f.yaml:6:15: idempotency[0]: expected either header or argument, such as {header: Idempotency-Key}"
    )


def charged(*, keyed, broken=True):
    """The run of a task whose first call is served and its answer lost."""
    with retrysim.Simulation(broker="redis") as sim:
        sim.serve(API(SHOP, answer={"ok": True}))
        if keyed:
            sim.idempotent(header="Idempotency-Key")
        sim.start_worker(app)
        sim.trouble("answer_lost", endpoint="POST /charges")
        pay.delay()
        sim.run()
        return sim.trace


def test_an_invariant_counts_the_effect_once_and_the_trace_says_which_it_is():
    trace = charged(keyed=True)

    assert [call.effect for call in trace.of(ApiCalled)] == ["key-1", "key-1"]
    assert calls_have_effect_once(trace).problems == ()
    assert "order-1" not in dump_ndjson(trace)
    assert list(load_ndjson(dump_ndjson(trace))) == list(trace)


def test_a_trace_without_it_has_no_word_of_it():
    trace = charged(keyed=False)

    assert len(calls_have_effect_once(trace).problems) == 1
    assert '"effect"' not in dump_ndjson(trace)


def request(**given):
    return Request(method="POST", host="shop.example", path="/charges", **given)


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        (request(query_string="id=7"), "7"),
        (request(body=b'{"id": 7}'), "7"),
        (request(body=b"id=7", headers=(("Content-Type", "application/x-www-form-urlencoded"),)), "7"),
        (request(body=b'["id"]'), None),
        (request(body=b"\xff"), None),
        (request(), None),
    ],
)
def test_an_argument_is_found_in_the_query_a_form_or_a_json_body(asked, value):
    assert Idempotency(argument="id").value("POST /charges", asked) == value


def test_a_simulation_is_told_one_of_the_two():
    with retrysim.Simulation() as sim, pytest.raises(InputError) as caught:
        sim.idempotent(endpoint="POST /charges")

    assert str(caught.value) == ('name either a header or an argument: sim.idempotent(header="Idempotency-Key")')
