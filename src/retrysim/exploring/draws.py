"""Who goes first in a tie: drawn now and then, by priorities that change a few times (PCT), or all but one host.

PCT: Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from retrysim.durations import parse_duration
from retrysim.exploring.trial import Decision
from retrysim.simulation.order import Pick

#: A run whose ties are noted and all go to whoever came first, but for those that are named.
PLAIN = "none/0"
#: How often not the first one goes on, in uniform draws: a share of its own for each run.
_SHARES = (0.02, 0.1, 0.3, 0.6)
#: How many times the highest priority is taken away, and within how many ties.
_CHANGES, _HORIZON = 2, 60


def pick_of(draw: str) -> Pick:
    """``uniform/7``, ``pct/7`` or ``none``: the way, and its seed; or ``yields/INSTANT/TIE/HOST``."""
    way, _, seed = draw.partition("/")
    if way == "yields":
        return _yielding(seed)
    return {"uniform": uniform, "pct": priorities}.get(way, _first_come)(random.Random(f"ties/{seed}"))


def named(order: Sequence[Decision], otherwise: Pick) -> Pick:
    """The ties that are named go as they are; the others as they are drawn."""
    wanted = {(parse_duration(one["at"]), one.get("tie", 1)): str(one["next"]) for one in order}

    def pick(at_ns: int, number: int, hosts: Sequence[str]) -> str:
        host = wanted.get((at_ns, number))
        return otherwise(at_ns, number, hosts) if host is None or host not in hosts else host

    return pick


def _first_come(rng: random.Random) -> Pick:
    return lambda _at_ns, _number, hosts: hosts[0]


def uniform(rng: random.Random) -> Pick:
    """Now and then somebody else goes first."""
    share = rng.choice(_SHARES)

    def pick(at_ns: int, number: int, hosts: Sequence[str]) -> str:
        return rng.choice(hosts) if rng.random() < share else hosts[0]

    return pick


def priorities(rng: random.Random) -> Pick:
    """Who has the highest priority goes first; a few times it is taken away from whoever has it."""
    ranks: dict[str, float] = {}
    changes = {rng.randrange(_HORIZON) for _ in range(_CHANGES)}
    count = 0

    def pick(at_ns: int, number: int, hosts: Sequence[str]) -> str:
        nonlocal count
        for host in hosts:
            ranks.setdefault(host, rng.random() + 1)
        best = max(hosts, key=lambda host: ranks[host])
        if count in changes:
            ranks[best] = -count
            best = max(hosts, key=lambda host: ranks[host])
        count += 1
        return best

    return pick


def yields(ties: Sequence[tuple[int, int, Sequence[str]]]) -> list[str]:
    """For each tie of a run: whoever went first there lets all others go first, until the instant is over.

    Between two machines that do something at one instant, this is the order in which one of them is slow. The first tie
    of each host at each instant comes first.
    """
    seen: Counter[tuple[int, str]] = Counter()
    ranked = []
    for at_ns, number, hosts in ties:
        seen[at_ns, hosts[0]] += 1
        ranked.append((seen[at_ns, hosts[0]], f"yields/{at_ns}/{number}/{hosts[0]}"))
    return [draw for _, draw in sorted(ranked, key=lambda one: one[0])]


def _yielding(decision: str) -> Pick:
    at, tie, host = decision.split("/", 2)
    at_ns, first = int(at), int(tie)

    def pick(now_ns: int, number: int, hosts: Sequence[str]) -> str:
        return hosts[now_ns == at_ns and number >= first and hosts[0] == host]

    return pick
