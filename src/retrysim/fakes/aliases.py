"""Names for callers that may be told: ``token-1`` stands for the first token seen, and no secret leaves the fake."""

from __future__ import annotations

from collections.abc import Hashable

from retrysim.fakes.visit import Identity


class Aliases:
    """Numbers callers by kind, in the order of their first appearance."""

    __slots__ = ("_counts", "_names", "secrets")

    def __init__(self) -> None:
        self._names: dict[tuple[str, Hashable], str] = {}
        self._counts: dict[str, int] = {}
        #: The alias of each secret text that was seen.
        self.secrets: dict[str, str] = {}

    def name(self, identity: Identity) -> str:
        """The alias of one caller; the same for the same kind and key, always."""
        known = self._names.get((identity.kind, identity.key))
        if known is None:
            number = self._counts[identity.kind] = self._counts.get(identity.kind, 0) + 1
            known = self._names[identity.kind, identity.key] = f"{identity.kind}-{number}"
            for secret in identity.secrets:
                self.secrets.setdefault(secret, known)
        return known
