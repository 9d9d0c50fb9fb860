"""Exchanges: which of its bindings a message follows, by the type of the exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Union

from retrysim.rabbitmq.message import Message
from retrysim.rabbitmq.refusal import Refusal

if TYPE_CHECKING:
    from retrysim.rabbitmq.queues import Queue

Destination = Union["Exchange", "Queue"]


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """From an exchange to a queue or another exchange."""

    destination: Destination
    key: str
    arguments: dict[str, Any]


@dataclass(slots=True, kw_only=True, eq=False)
class Exchange:
    """An exchange and its bindings."""

    name: str
    type: str
    durable: bool = True
    auto_delete: bool = False
    internal: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)
    bindings: list[Binding] = field(default_factory=list)
    #: the bindings by their key: for a direct exchange all that has to be looked at
    _by_key: dict[str, list[Binding]] = field(default_factory=dict)

    @property
    def alternate(self) -> str | None:
        """Where messages go that nothing takes."""
        name = self.arguments.get("alternate-exchange")
        return name if isinstance(name, str) else None

    def bind(self, destination: Destination, key: str, arguments: dict[str, Any]) -> None:
        """Add a binding; one that is there already stays as it is."""
        if self.find(destination, key, arguments) is None:
            binding = Binding(destination, key, arguments)
            self.bindings.append(binding)
            self._by_key.setdefault(key, []).append(binding)

    def unbind(self, binding: Binding) -> None:
        self.bindings.remove(binding)
        same_key = self._by_key[binding.key]
        same_key.remove(binding)
        if not same_key:
            del self._by_key[binding.key]

    def find(self, destination: Destination, key: str, arguments: dict[str, Any]) -> Binding | None:
        for binding in self._by_key.get(key, ()):
            if binding.destination is destination and binding.arguments == arguments:
                return binding
        return None

    def matching(self, message: Message, keys: tuple[str, ...]) -> Iterator[Destination]:
        """Where a message goes from here."""
        if self.type == "direct":
            for key in keys:
                for binding in self._by_key.get(key, ()):
                    yield binding.destination
        else:
            matches = _MATCHES[self.type]
            for binding in self.bindings:
                if matches(binding, message, keys):
                    yield binding.destination


def _fanout(_binding: Binding, _message: Message, _keys: tuple[str, ...]) -> bool:
    return True


def _topic(binding: Binding, _message: Message, keys: tuple[str, ...]) -> bool:
    return any(topic_matches(binding.key, key) for key in keys)


def _headers(binding: Binding, message: Message, _keys: tuple[str, ...]) -> bool:
    headers = message.properties.headers
    how = binding.arguments.get("x-match", "all")
    wanted = {
        name: value
        for name, value in binding.arguments.items()
        if how.endswith("-with-x") or not name.startswith("x-")
        if name != "x-match"
    }
    found = (name in headers and (value is None or headers[name] == value) for name, value in wanted.items())
    return any(found) if how.startswith("any") else all(found)


_MATCHES: dict[str, Callable[[Binding, Message, tuple[str, ...]], bool]] = {
    "fanout": _fanout,
    "topic": _topic,
    "headers": _headers,
}
TYPES = ("direct", *_MATCHES)


_X_MATCH = "all, any, all-with-x, or any-with-x"


def check_binding(exchange: Exchange, arguments: dict[str, Any]) -> None:
    """Raises ``Refusal`` for the arguments of a binding that an exchange does not take."""
    how = arguments.get("x-match", "all")
    if exchange.type == "headers" and how not in ("all", "any", "all-with-x", "any-with-x"):
        raise Refusal(406, f'Invalid x-match field value <<"{how}">>; expected {_X_MATCH}')


@lru_cache(maxsize=65_536)
def topic_matches(pattern: str, key: str) -> bool:
    """Whether a routing key matches a pattern: ``*`` is one word, ``#`` any number of them."""
    return _words_match(_words(pattern), _words(key))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(".")) if text else ()


def _words_match(pattern: tuple[str, ...], words: tuple[str, ...]) -> bool:
    # All positions in the pattern that the words so far can lead to: a pattern of many # costs no more than a product.
    positions = _skip(pattern, {0})
    for word in words:
        positions = _skip(pattern, {following for p in positions for following in _step(pattern, p, word)})
        if not positions:
            return False
    return len(pattern) in positions


def _step(pattern: tuple[str, ...], position: int, word: str) -> Iterator[int]:
    if position < len(pattern):
        if pattern[position] == "#":
            yield position
        elif pattern[position] in ("*", word):
            yield position + 1


def _skip(pattern: tuple[str, ...], positions: set[int]) -> set[int]:
    reached = set(positions)
    for position in positions:
        while position < len(pattern) and pattern[position] == "#":
            position += 1
            reached.add(position)
    return reached
