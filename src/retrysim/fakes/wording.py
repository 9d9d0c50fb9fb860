"""Texts with gaps, as a dialect writes its headers and bodies: ``{requests.remaining}``, ``{retry:seconds}``.

``{limit}``, ``{remaining}``, ``{used}``, ``{cost}``, ``{window}`` (seconds) and ``{per_second}`` are numbers,
``{bucket}`` is an opaque name of what is counted; ``{reset:FORM}``, ``{retry:FORM}`` and ``{now:FORM}`` are instants.
Before a dot stands the limit that is meant; without one it is the limit that refused, or the first. A text with a
gap that nothing fills is not sent.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from retrysim.durations import SECOND
from retrysim.errors import FakeError
from retrysim.fakes.forms import FORMS
from retrysim.fakes.seeded import hex_word
from retrysim.fakes.vendor import Count
from retrysim.nearest import did_you_mean
from retrysim.ratelimit.rate import Rate

_GAP = re.compile(r"\{(?:([a-z-]+)\.)?([a-z_]+)(?::(\w+))?\}")
_INSTANTS = ("reset", "retry", "now")
_WORDS = ("limit", "remaining", "used", "cost", "window", "per_second", "bucket")


def check_wording(text: str, limits: Collection[str], where: str) -> None:
    """Raises ``FakeError`` for a gap that nothing could ever fill; ``where`` says whose text it is."""
    for gap in _GAP.finditer(text):
        limit, name, form = gap.groups()
        if limit and limit not in limits:
            raise FakeError(f"{where}: {gap[0]} names no limit{did_you_mean(limit, limits)}")
        if name not in _INSTANTS + _WORDS:
            raise FakeError(f"{where}: {gap[0]} cannot be filled{did_you_mean(name, _INSTANTS + _WORDS)}")
        if name in _INSTANTS and form not in FORMS:
            raise FakeError(f"{where}: {gap[0]} is an instant without a form: expected one of {', '.join(FORMS)}")


def fill(text: str, counts: Mapping[str, Count], now_ns: int) -> str | None:
    """The text without gaps, or ``None``; ``counts[""]`` is the limit that is meant without a name."""
    words: list[str] = []
    end = 0
    for gap in _GAP.finditer(text):
        limit, name, form = gap.groups()
        word = _now(form, now_ns) if name == "now" else _word(name, form, counts.get(limit or ""), now_ns)
        if word is None:
            return None
        words += (text[end : gap.start()], word)
        end = gap.end()
    return "".join(words) + text[end:]


def told_ns(texts: Iterable[str], refused: Count, now_ns: int) -> int | None:
    """The last instant that texts name for coming again: that of a retry, or else the reset of the refusing limit."""
    count: dict[str, int] = {}
    for gap in [gap for text in texts for gap in _GAP.finditer(text)]:
        limit, name, form = gap.groups()
        at_ns = refused.decision.retry_at_ns if name == "retry" else refused.decision.reset_ns
        if name in ("retry", "reset") and limit in (None, refused.quota.name) and at_ns is not None:
            count[name] = max(count.get(name, 0), FORMS[form].told_ns(at_ns, now_ns))
    return count.get("retry", count.get("reset"))


def _now(form: str, now_ns: int) -> str:
    return FORMS[form].text(now_ns, now_ns)


def _word(name: str, form: str | None, count: Count | None, now_ns: int) -> str | None:
    if count is None:
        return None
    decision = count.decision
    if form:
        at_ns = decision.retry_at_ns if name == "retry" else decision.reset_ns
        return None if at_ns is None else FORMS[form].text(at_ns, now_ns)
    words: dict[str, object] = {
        "limit": decision.limit,
        "remaining": decision.remaining,
        "used": decision.limit - decision.remaining,
        "cost": count.quota.cost,
        "window": count.quota.rate.window_ns // SECOND if count.quota.rate else 0,
        "per_second": _per_second(count.quota.rate),
        "bucket": hex_word(32, count.quota.bucket),
    }
    return str(words[name])


def _per_second(rate: Rate | None) -> str:
    """The rate in units per second, with up to three digits: ``100.0``, ``0.1``."""
    if rate is None:
        return "0.0"
    whole, thousandths = divmod(rate.amount * SECOND * 1_000 // rate.window_ns, 1_000)
    return f"{whole}.{thousandths:03}".removesuffix("0").removesuffix("0")
