"""YAML that is refused: each text with the whole message."""

from __future__ import annotations

import pytest

from retrysim.errors import ScenarioError
from retrysim.scenarios.composer import compose
from retrysim.scenarios.loader import loads

REFUSED = {
    "an open list": (
        "name: [a",
        "f:1:9: not valid YAML: expected ',' or ']', but got '<stream end>'",
    ),
    "a colon in plain text": (
        "name: ValueError: boom",
        "f:1:17: not valid YAML: mapping values are not allowed here; put a value that contains ': ' in quotes",
    ),
    "a tab": (
        "submit:\n\t- task: add",
        "f:2:1: not valid YAML: found character '\\t' that cannot start any token; indent with spaces, not with tabs",
    ),
    "a control character": ("name: a\nenv: {A: \x07}", "f:2:10: not valid YAML: the character '\\x07' is not allowed"),
    "an escape beyond Unicode": (
        'name: "\\UFFFFFFFF"',
        "f:1:5: not valid YAML: an escape in a quoted text names no character",
    ),
    "half a surrogate pair": (
        'name: "\\ud800"',
        "f:1:7: name: half of a surrogate pair is not text; write the character itself",
    ),
    "a duplicate key": (
        "name: a\nsubmit:\n  - task: add\n    task: mul",
        "f:4:5: submit[0].task: duplicate key; it was given on line 3 already",
    ),
    "a duplicate key in quotes": (
        "name: a\n'name': b",
        "f:2:1: name: duplicate key; it was given on line 1 already",
    ),
    "a tag": ("name: !!str 200", "f:1:7: name: tags are not used in scenarios; remove it, and put text in quotes"),
    "an anchor": ("name: &n a", "f:1:7: name: anchors are not used in scenarios; remove &n"),
    "an anchored mapping": (
        "expect: &e\n  attempts: 1",
        "f:1:9: expect: anchors are not used in scenarios; remove &e",
    ),
    "an alias": ("name: *n", "f:1:7: name: aliases are not used in scenarios; write out what *n means"),
    "an anchored key": ("&k name: a", "f:1:1: anchors are not used in scenarios; remove &k"),
    "a list as key": ("? [a]\n: b", "f:1:3: a key must be text; got a list or a mapping"),
    "a second document": (
        "name: a\n---\nname: b",
        "f:2:1: a second document begins here; expected one scenario per file",
    ),
    "another version of YAML": (
        "%YAML 1.1\n---\nname: a",
        "f:2:1: directives (%YAML, %TAG) are not used in scenarios, which are YAML 1.2; remove them",
    ),
    "a tag directive": (
        "%TAG ! tag:x,2000:\n---\nname: a",
        "f:2:1: directives (%YAML, %TAG) are not used in scenarios, which are YAML 1.2; remove them",
    ),
    "deep nesting": ("[" * 40 + "]" * 40, "f:1:34: [0]: nested more than 32 levels deep"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_yaml_that_scenarios_do_without_is_refused_where_it_stands(what):
    text, message = REFUSED[what]

    with pytest.raises(ScenarioError) as caught:
        compose(text, file="f")

    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_is_told_what_a_scenario_is(text):
    with pytest.raises(ScenarioError) as caught:
        loads(text, file="f")

    message = "f:1:1: the file is empty; expected a scenario: a mapping with at least name, app and submit"
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "got"), [("- name: a", "a list"), ("just words", "'just words'"), ("---\n", "nothing"), ("12", "12")]
)
def test_what_is_no_mapping_is_told_what_a_scenario_is(text, got):
    with pytest.raises(ScenarioError) as caught:
        loads(text, file="f")

    where, message = str(caught.value).split(": ", 1)
    assert where in ("f:1:1", "f:2:1")
    assert message == f"expected a scenario: a mapping with at least name, app and submit; got {got}"


def test_the_directive_of_yaml_1_2_is_welcome():
    document = compose("%YAML 1.2\n---\nname: a", file="f")

    assert document.value == {"name": "a"}


def test_nesting_as_deep_as_any_scenario_is_read():
    document = compose("[" * 33 + "]" * 33, file="f")

    assert str(document.value) == "[" * 33 + "]" * 33
