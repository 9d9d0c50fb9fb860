"""A tag of a scenario: a word that ``pytest -m`` can select."""

from __future__ import annotations

from keyword import iskeyword
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from retrysim.scenarios.kinds import expected, rule

_NEEDS_ARGUMENTS = "takes arguments; choose another word"
#: Marks that would do something else than to select.
_MARKS = {
    "skip": "skips the test; leave the file out, or say what it `requires:`",
    "xfail": "says that a test fails; use the key `xfail:`, with the reason",
    **dict.fromkeys(
        (
            *("filterwarnings", "parametrize", "skipif", "usefixtures"),
            *("celery", "dependency", "flaky", "freeze_time", "order", "repeat", "retrysim", "time_machine", "timeout"),
        ),
        _NEEDS_ARGUMENTS,
    ),
}


def _tag(given: str) -> str:
    if not given.isidentifier() or iskeyword(given):
        raise expected("a word that `pytest -m` can select: letters, digits and _", word=given)
    if given in _MARKS:
        raise rule(f"{given!r} is a mark of pytest that {_MARKS[given]}")
    return given


Tag = Annotated[str, AfterValidator(_tag), WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_]*$"})]
