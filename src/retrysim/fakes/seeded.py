"""Data out of a seed: the same words give the same number, in every process and on every machine."""

from __future__ import annotations

from hashlib import blake2b


def draw(*words: object) -> int:
    """A number of 64 bits that depends on nothing but the words."""
    text = "\0".join(map(str, words))
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def hex_word(length: int, *words: object) -> str:
    """Hexadecimal digits that depend on nothing but the words."""
    text = "\0".join(map(str, words))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()[:length]
