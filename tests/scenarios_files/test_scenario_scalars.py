"""What an unquoted scalar means, value by value."""

from __future__ import annotations

import pytest

from retrysim.scenarios.composer import compose
from retrysim.scenarios.scalar import plain_value

TEXT = [
    "12:15:00", "190:20:30", "2013-2015", "2015-08-03", "2015-08-03T12:00:00Z", "2001-12-14t21:59:43.10-05:00",
    "12_000", "1_0.5", "yes", "no", "on", "off", "y", "n", "Yes", "ON", "tRue", "nil", "None",
    "+5", "007", "0o14", "0x1F", "0b101", "1,000", "1.", ".5", ".inf", "-.inf", ".nan", "inf", "NaN",
    "1e999", "1e", "--1", "-", "=", "<<", "15m", "15 minutes", "180x200 20x429", "GET /items", "٣", "9" * 40,
]  # fmt: skip


@pytest.mark.parametrize("text", TEXT)
def test_what_json_does_not_call_a_number_is_text(text):
    assert plain_value(text) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("-0", 0), ("200", 200), ("-7", -7), ("783214", 783214), ("1" * 39, int("1" * 39))],
)
def test_decimal_digits_are_a_whole_number(text, number):
    value = plain_value(text)

    assert value == number
    assert type(value) is int


@pytest.mark.parametrize(
    ("text", "number"), [("1.5", 1.5), ("-0.25", -0.25), ("1e5", 100000.0), ("1.5E-3", 0.0015), ("2e+2", 200.0)]
)
def test_a_fraction_or_an_exponent_makes_a_float(text, number):
    value = plain_value(text)

    assert value == number
    assert type(value) is float


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
def test_true_is_true_in_the_three_spellings_of_yaml_1_2(text):
    assert plain_value(text) is True


@pytest.mark.parametrize("text", ["false", "False", "FALSE"])
def test_false_is_false_in_the_three_spellings_of_yaml_1_2(text):
    assert plain_value(text) is False


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_null_and_nothing_are_none(text):
    assert plain_value(text) is None


def test_quoted_and_block_scalars_are_always_text():
    text = """\
single: '200'
double: "true"
literal: |
  1.5
folded: >-
  null
empty: ""
"""

    document = compose(text, file="f")

    assert document.value == {"single": "200", "double": "true", "literal": "1.5\n", "folded": "null", "empty": ""}


def test_keys_are_always_text():
    document = compose("{200: 1, true: 2, null: 3, 1.5: 4, on: 5}", file="f")

    assert document.value == {"200": 1, "true": 2, "null": 3, "1.5": 4, "on": 5}


def test_plain_scalars_of_a_document_follow_the_rule():
    document = compose("a: 12:15:00\nb: [2013-2015, 12_000, yes, 5]\nc:\n", file="f")

    assert document.value == {"a": "12:15:00", "b": ["2013-2015", "12_000", "yes", 5], "c": None}
