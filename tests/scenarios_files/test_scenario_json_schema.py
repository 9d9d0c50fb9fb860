"""The published JSON Schema: up to date, explained key by key, and of one mind with the loader."""

from __future__ import annotations

import pydantic
import pytest
from jsonschema import Draft202012Validator
from scenario_texts import GOOD

from retrysim.errors import ScenarioError
from retrysim.scenarios import json_schema, loads
from retrysim.scenarios.composer import compose
from retrysim.scenarios.publish import made_schema_text
from retrysim.scenarios.published import schema_text

PYDANTIC = tuple(int(part) for part in pydantic.VERSION.split(".")[:2])

#: Wrong in a way that a schema can say; rules between keys, instants and units of time are for the loader alone.
BAD = [
    "nam: a",
    "xfail: 200",
    "env: {DEBUG: true}",
    "fakes: [twitter]",
    "workers: {count: 0}",
    "workers: {concurrency: [1, x]}",
    "celery: [worker, eagr]",
    "celery: []",
    "broker: sqs",
    "seed: -1",
    "seeds: 0..",
    "run_for: -5",
    "cost: [1]",
    "limits: {event: 5}",
    "until:",
    "expect: {states: {SUCESS: 1}}",
    "expect: {story: {/x: 200}}",
    "expect: {calls: {GET /x: {429: -3}}}",
    "expect: {invariants: [{a: {}, b: {}}]}",
    "expect: {retried: {at: reset}}",
    "expect_worker: {differs_from: nothing}",
]


def whole(line):
    return "name: a\napp: p\nsubmit: [{task: t}]\n" + line


def descriptions(schema):
    for block in (schema, *schema["$defs"].values()):
        for key, value in block.get("properties", {}).items():
            yield key, value.get("description", "")


@pytest.mark.skipif(PYDANTIC < (2, 12), reason="older versions of pydantic spell the same schema otherwise")
def test_the_published_schema_is_that_of_the_models():
    assert schema_text() == made_schema_text()


def test_the_published_schema_is_a_json_schema():
    published = json_schema()

    Draft202012Validator.check_schema(published)

    assert published["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert published["title"] == "retrysim scenario"
    assert published["required"] == ["name", "app"]
    assert published["anyOf"] == [{"required": ["submit"]}, {"required": ["beat"]}]
    assert published["additionalProperties"] is False


def test_every_key_is_described():
    described = dict(descriptions(json_schema()))

    assert len(described) > 40
    assert [key for key, text in described.items() if not text.endswith(".")] == []


def test_no_key_bears_the_models_own_name():
    keys = [key for key, _ in descriptions(json_schema())]

    assert "elapsed" in keys
    assert [key for key in keys if key.endswith("_ns")] == []


@pytest.mark.parametrize("name", GOOD)
def test_what_the_loader_accepts_the_schema_accepts(name):
    document = compose(GOOD[name], file="f")

    assert loads(GOOD[name], file="f").name == document.value["name"]
    assert list(Draft202012Validator(json_schema()).iter_errors(document.value)) == []


@pytest.mark.parametrize("line", BAD)
def test_what_the_schema_refuses_the_loader_refuses(line):
    document = compose(whole(line), file="f")

    with pytest.raises(ScenarioError):
        loads(whole(line), file="f")
    assert list(Draft202012Validator(json_schema()).iter_errors(document.value)) != []


def test_the_examples_of_the_schema_are_right():
    schema = json_schema()
    properties = [
        (key, value)
        for block in (schema, *schema["$defs"].values())
        for key, value in block.get("properties", {}).items()
    ]

    wrong = [
        (key, example)
        for key, value in properties
        for example in value.get("examples", [])
        if not Draft202012Validator({**value, "$defs": schema["$defs"]}).is_valid(example)
    ]

    assert sum(len(value.get("examples", [])) for _, value in properties) > 20
    assert wrong == []
