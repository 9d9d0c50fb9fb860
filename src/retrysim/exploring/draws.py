"""Ways to draw who goes first in a tie: uniformly now and then, or by priorities that change a few times (PCT).

PCT: Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from retrysim.durations import parse_duration
from retrysim.exploring.trial import Decision
from retrysim.simulation.order import Pick

#: How often not the first one goes on, in uniform draws: a share of its own for each run.
_SHARES = (0.02, 0.1, 0.3, 0.6)
#: How many times the highest priority is taken away, and within how many ties.
_CHANGES, _HORIZON = 2, 60


def pick_of(draw: str) -> Pick:
    """``uniform/7``, ``pct/7`` or ``none``: the way, and its seed."""
    way, _, seed = draw.partition("/")
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
