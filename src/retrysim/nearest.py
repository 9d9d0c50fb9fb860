"""The word that somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

#: So many letters are the beginning of one candidate rather than of many.
_BEGINNING = 3


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that is close to the word, or begins with it, if one does; letter case does not count."""
    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    folded = word.casefold()
    close = get_close_matches(folded, by_folded, n=1)
    if not close and len(folded) >= _BEGINNING:
        close = [candidate for candidate in by_folded if candidate.startswith(folded)]
    return by_folded[close[0]] if close else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` when one of the candidates is close, else nothing."""
    close = nearest(word, candidates)
    return f"; did you mean {close!r}?" if close else ""


def task_meant(name: str, tasks: Iterable[str]) -> str:
    """As ``did_you_mean``, of tasks by their whole names and the ends of them; else which tasks there are."""
    known = sorted(tasks)
    there_are = f" (it has {', '.join(known)})" if known else ""
    return did_you_mean(name, [*known, *(task.rpartition(".")[2] for task in known)]) or there_are
