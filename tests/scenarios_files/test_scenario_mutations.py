"""Hundreds of files made malformed, each line of each good one at least once: each gives one error that begins with its place, and never another exception."""

from __future__ import annotations

import random
import re

import pytest
from scenario_texts import GOOD

from retrysim.errors import ScenarioError
from retrysim.scenarios import json_schema, loads

PLACE = re.compile(r"mutant\.scenario\.yaml:[1-9]\d*:[1-9]\d*: \S")
PLAIN_KEY = re.compile(r"^(\s*)(- )?(\w+): (\S.*)$")

# Each makes of a line `key: value` one that no scenario has; the keys where anything may stand are spared.
MUTATIONS = {
    "misspell the key": r"\1\2x\3x: \4",
    "give the key twice": r"\1\2\3: \4\n\1\3: \4",
    "put a tag": r"\1\2\3: !t \4",
    "put an anchor": r"\1\2\3: &a \4",
    "put an alias": r"\1\2\3: *a",
    "open a quote": r'\1\2\3: "\4',
    "open a list": r"\1\2\3: [\4",
    "close a list": r"\1\2\3: ]",
    "double the colon": r"\1\2\3: a: \4",
    "indent with a tab": "\\1\\2\\3:\n\t\\4",
    "put a control character": "\\1\\2\\3: \x01\\4",
    "put a reserved character": r"\1\2\3: @\4",
    "begin a document": r"---\n\1\2\3: \4\n--- x",
    "nest a foreign mapping": r"\1\2\3: {no such key: -1}",
}
FREE = ("kwargs", "options", "results", "twitter", "github", "TOKEN", "token")


def mutants():
    """By line of a good file: the name of each mutation, and the file with it."""
    for name, text in GOOD.items():
        lines = text.splitlines()
        for number, line in enumerate(lines):
            if (match := PLAIN_KEY.match(line)) and match[3] not in FREE:
                yield [
                    (
                        f"{name}, line {number + 1}: {mutation}",
                        "\n".join([*lines[:number], match.expand(replacement), *lines[number + 1 :]]),
                    )
                    for mutation, replacement in MUTATIONS.items()
                ]


def hundreds():
    """Two hundred, and one of each line."""
    chance = random.Random(2015)
    every = list(mutants())
    return dict([*chance.sample([one for line in every for one in line], 200), *map(chance.choice, every)])


def damaged(text, seed):
    """A text with a few characters replaced, removed or inserted."""
    chance = random.Random(seed)
    characters = list(text)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(characters))
        characters[at : at + chance.randint(0, 2)] = chance.choice(
            [
                "",
                "\t",
                "\n",
                ":",
                ": ",
                "- ",
                "[",
                "}",
                "&",
                "*",
                "!",
                "|",
                "'",
                '"',
                "%",
                "@",
                "#",
                "\0",
                "\x85",
                "é",
                "-1",
            ]
        )
    return "".join(characters)


@pytest.mark.parametrize("text", hundreds().values(), ids=list(hundreds()))
def test_a_malformed_file_gives_one_error_with_its_place(text):
    with pytest.raises(ScenarioError) as caught:
        loads(text, file="mutant.scenario.yaml")

    message = str(caught.value)
    assert all(PLACE.match(line) for line in message.splitlines())


def error_of(text):
    """The message of the error that loading gives, or nothing when it gives none."""
    try:
        loads(text, file="mutant.scenario.yaml")
    except ScenarioError as error:
        return str(error)
    return ""


def test_every_key_that_there_is_stands_in_a_good_file():
    written = {word for text in GOOD.values() for word in re.findall(r"(\w+):", text)}

    assert {key for block in blocks() for key in block} - written == {"groups"}  # for which a list is short


def blocks():
    schema = json_schema()
    return [block.get("properties", {}) for block in (schema, *schema["$defs"].values())]


@pytest.mark.parametrize("name", ["user_200_calls", "faults_and_beat"])
def test_a_damaged_file_is_loaded_or_gives_one_error_with_its_place(name):
    texts = [damaged(GOOD[name], seed) for seed in range(300)]

    messages = list(filter(None, map(error_of, texts)))

    assert 100 < len(messages) < 300
    assert [message for message in messages if not PLACE.match(message)] == []
