"""Who waits for whom, where the server does not serve those that wait in the order in which they came."""

from __future__ import annotations

import pytest

from retrysim.clock import VirtualClock
from retrysim.databases.locks import DatabaseSession, Locks
from retrysim.durations import SECOND
from retrysim.kernel import Environment


def session(key, held_up_by):
    return DatabaseSession(
        key=key, server="a server", held_up_by=held_up_by, in_transaction=lambda: True, end=lambda: None
    )


def test_one_that_is_served_before_those_that_came_first_goes_on():
    environment = Environment(VirtualClock(0))
    locks = Locks(environment)
    order = []
    holder_of = {"second": ["first"], "third": ["second"]}

    def first():
        locks.begins(session("first", list))
        environment.sleep(4 * SECOND)
        holder_of.update(second=["third"], third=[])  # the server has given the row to the third
        order.append("first")
        locks.ended(session("first", list))

    def waits(name):
        mine = session(name, lambda: holder_of[name])
        locks.begins(mine)
        for _ in range(100):
            if not holder_of[name]:
                break
            locks.let_the_holder_go_on(mine)
        else:
            pytest.fail(f"{name} asked a hundred times")
        environment.sleep(4 * SECOND)
        order.append(name)
        holder_of.update({other: [] for other, holders in holder_of.items() if holders == [name]})
        locks.ended(mine)

    for name, run in (("first", first), ("second", lambda: waits("second")), ("third", lambda: waits("third"))):
        environment.spawn(run, name=name)
    environment.run()

    assert order == ["first", "third", "second"]
    assert environment.clock.ns == 12 * SECOND
