"""Takes secrets out of texts, so that no trace, page, failure text or JSON holds one.

Three kinds are known: what has a known form (a bearer token, a password in a URL, a vendor's key: ``known_forms.py``);
what was *learned*, because a variable, setting, header or argument whose name looks like that of a secret held it; and
what a pattern of the user's own finds. What a fake knows as ``token-1`` is written so. Everything else is shown: see
docs/explanation/secrets.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from retrysim.errors import InputError
from retrysim.trace.known_forms import hide_known_forms

HIDDEN = "***"
#: A learned value is at least this long, an alias's secret at least that; shorter ones are words of every text.
_SHORTEST, _SHORTEST_ALIAS = 8, 4
#: Values that stand for a secret in examples and defaults, and are words that people need to read.
_WORDS = frozenset(
    {"changeme", "password", "passw0rd", "postgres", "localhost", "username", "anonymous", "undefined", "required",
     "disabled", "development", "production", "test-token", "fake-token", "dummy-token", "redacted", "authorization"}
)  # fmt: skip
_NAME = re.compile(
    r"(?:^|_|[. ])(?:pass|passw(?:or)?d|pwd|passphrase|secret|tokens?|jwt|bearer|api_?keys?|[a-z0-9]+_keys?|"
    r"credentials?|auth|authorization|authentication|signature|sig|session|session_?id|sid|cookies?|dsn|salt|otp|pin|"
    r"webhook)(?:_?(?:id|value|base|hash|\d+))?$"
)
_HARMLESS_NAME = re.compile(
    r"(?:routing|primary|foreign|public|sort|cache|idempotency|hash|row|partition|group|object|lock|redis)_?keys?$"
)
#: Variables of a shell that only look like secrets: the folder that a command is run in.
_OF_A_SHELL = frozenset({"PWD", "OLDPWD"})
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")
#: How many texts are remembered with what became of them: most are said again and again.
_REMEMBERED = 4_096


@lru_cache(maxsize=4_096)
def names_a_secret(name: str) -> bool:
    """Whether a variable, setting, header or argument of this name holds a secret."""
    plain = _CAMEL.sub("_", name).lower().replace("-", "_")
    return _NAME.search(plain) is not None and _HARMLESS_NAME.search(plain) is None


def without_addresses(text: str) -> str:
    """A text without the addresses of objects, which differ from run to run."""
    return _ADDRESS.sub("0x...", text) if "0x" in text else text


class Redactor:
    """A function that redacts a text. ``aliases()`` gives what fakes call the secrets that they have seen."""

    def __init__(
        self, aliases: Callable[[], Iterable[Mapping[str, str]]] = tuple, *, patterns: Iterable[str] = ()
    ) -> None:
        self._aliases = aliases
        self._patterns = [_compiled(pattern) for pattern in patterns]
        #: each secret, and what is written in its place
        self._names: dict[str, str] = {}
        #: the secrets by their first letters: a text is compared with those alone that begin like a part of it
        self._by_start: dict[str, list[str]] = {}
        self._aliases_seen = 0
        self._remembered: dict[str, str] = {}

    def learn(self, name: str, value: object) -> None:
        """Learn a value, if its name says that it is a secret; a mapping or a list is looked into."""
        if isinstance(value, str):
            if len(value) >= _SHORTEST and names_a_secret(name):
                self._add(value)
            elif "://" in value and "@" in value:
                self._add(_password_of(value))
        elif isinstance(value, Mapping):
            self.learn_all(value)
        elif isinstance(value, list | tuple):
            for item in value:
                self.learn(name, item)

    def learn_all(self, values: Mapping[Any, Any]) -> None:
        """Learn from the names and values of a mapping: settings, headers, a JSON body."""
        for name, value in values.items():
            if isinstance(name, str):
                self.learn(name, value)

    def learn_environment(self, variables: Mapping[str, str]) -> None:
        """Learn from environment variables. The current folder begins every path of a traceback, and is no password."""
        self.learn_all({name: value for name, value in variables.items() if name not in _OF_A_SHELL})

    def _add(self, value: str) -> None:
        if len(value) < _SHORTEST or value.lower() in _WORDS or value.isspace():
            return
        for form in _written(value):
            if form not in self._names:
                self._know(form, HIDDEN)

    def _know(self, secret: str, name: str) -> None:
        if secret not in self._names:
            self._by_start.setdefault(secret[:_SHORTEST_ALIAS], []).append(secret)
        self._names[secret] = name
        self._remembered.clear()

    def settle(self) -> None:
        """Keep what the fakes know as it is now: nothing more is seen, and nothing is held for it."""
        aliases = {secret: alias for source in self._aliases() for secret, alias in source.items()}
        self._aliases = lambda: (aliases,)

    def __call__(self, text: str) -> str:
        if len(text) < _SHORTEST_ALIAS:
            return text
        sources = self._aliases()
        if (seen := sum(map(len, sources))) != self._aliases_seen:
            self._know_aliases(sources, seen)
        found = self._remembered.get(text)
        if found is None:
            found = self._redacted(text)
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[text] = found
        return found

    def _know_aliases(self, sources: Iterable[Mapping[str, str]], seen: int) -> None:
        for source in sources:
            for secret, alias in source.items():
                if len(secret) >= _SHORTEST_ALIAS and self._names.get(secret) != alias:
                    self._know(secret, alias)
        self._aliases_seen = seen

    def _redacted(self, text: str) -> str:
        text = hide_known_forms(self._without_the_known(text))
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        return text

    def _without_the_known(self, text: str) -> str:
        """A text without what was learned, in time that does not grow with how much was learned."""
        starts = {text[at : at + _SHORTEST_ALIAS] for at in range(len(text) - _SHORTEST_ALIAS + 1)}
        begun = self._by_start.keys() & starts
        found = [secret for start in begun for secret in self._by_start[start] if secret in text]
        if not found:
            return text
        longest_first = sorted(found, key=lambda secret: (-len(secret), secret))
        return re.sub("|".join(map(_whole, longest_first)), lambda match: self._names[match[0]], text)


def _whole(secret: str) -> str:
    """A secret as a pattern that finds it as a whole word only: ``data`` is not torn out of ``database``."""
    before = r"(?<![A-Za-z0-9])" if secret[0].isalnum() else ""
    after = r"(?![A-Za-z0-9])" if secret[-1].isalnum() else ""
    return before + re.escape(secret) + after


def _password_of(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def _written(value: str) -> Iterator[str]:
    """A value in the ways in which texts write it: as it is, on one line, in a repr, in JSON, in a URL."""
    on_one_line = " ".join(value.split())
    forms = (value, on_one_line, repr(value)[1:-1], json.dumps(value)[1:-1], quote(value, safe=""), quote_plus(value))
    yield from dict.fromkeys(form for form in forms if len(form) >= _SHORTEST)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InputError(f"redact: {pattern!r} is not a regular expression: {error}") from None
