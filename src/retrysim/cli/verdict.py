"""What an item's outcome means, given whether it was known to fail."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """The word that is printed for an item."""

    PASSED = "passed"
    FAILED = "failed"
    XFAILED = "xfailed"  # it failed, as its scenario says
    SKIPPED = "skipped"  # other packages are installed than those that it is about
    XPASSED = "xpassed"  # it passed, though its scenario says that it fails: the mark has to go

    @property
    def is_good(self) -> bool:
        return self in (Verdict.PASSED, Verdict.XFAILED, Verdict.SKIPPED)


def verdict_of(*, passed: bool, known_to_fail: bool) -> Verdict:
    """The verdict on one item."""
    if known_to_fail:
        return Verdict.XPASSED if passed else Verdict.XFAILED
    return Verdict.PASSED if passed else Verdict.FAILED
