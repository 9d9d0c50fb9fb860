"""Named streams of random numbers, all drawn from one seed: what one part draws does not change what another gets."""

from __future__ import annotations

import random


class Streams:
    """``streams["task ids"]`` is the same ``random.Random`` at each use, seeded from the seed and the name."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, random.Random] = {}

    @property
    def names(self) -> list[str]:
        """The streams that somebody has drawn from."""
        return list(self._streams)

    def __getitem__(self, name: str) -> random.Random:
        if name not in self._streams:
            self._streams[name] = random.Random(f"{self.seed}/{name}")
        return self._streams[name]
