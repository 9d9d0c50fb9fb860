"""Judge: the same random operations on the simulated RabbitMQ and on a real one, through py-amqp, and all they see.

    python judges/rabbitmq_differential.py [--operations 10000] [--version 3.10] [--port 5672] [--vhost NAME] [--seed 0]
        [--jobs 4] [--kinds quorum] [--length 40]

Compared after each operation: results and errors, deliveries (order, tags, flags, properties), cancels, returns, and
what each queue says of itself. Exits 1 if there is a difference.

What a real server leaves to chance is no difference, and is counted by its kind:

* Two queues deliver on one channel beside each other: the case ends where only their order differs.
* Queues are told one after the other that a client is gone, in the order of a hash of their names. A consumer of one
  that is not told yet may get a dead letter of another. The channels of a connection end beside each other, and a
  quorum queue may deliver to the second what the first had. A case that differs is played again with each order.
* A message expires while an operation is on its way. Such a case agrees when it is played again.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
import warnings
from collections import Counter, deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import amqp

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "rabbitmq"))

from rabbitmq_arm import Arm
from rabbitmq_operations import KINDS, LENGTH, draw
from simulated_connection import World

_PATIENCE_S = 1.5
#: How many of the last operations are told of a case.
_SHOWN = 16
#: After so many differences there is no need for more.
_ENOUGH = 5
#: How far it has come is told each time so many seconds have passed.
_RARELY_S = 20


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Which servers are compared, and with which operations."""

    version: str
    port: int
    vhost: str
    seed: int
    kinds: tuple[str, ...]
    length: int


#: The orders in which the four queues of a case can be told that a client is gone, and in which its channels end, and
#: whether a quorum queue is told of them one after the other.
_ORDERS = list(itertools.product(itertools.permutations(range(4)), (1, -1), (False, True)))


def judge(case, setting):
    """How many operations a case was, what came of it, and what the servers do not agree on."""
    found, count, ended = play(case, setting)
    if found is None:
        return count, ended, None
    if play(case, setting)[0] is None:
        return count, "agree when played again", None
    for order in _ORDERS[1:]:
        if play(case, setting, order)[0] is None:
            return count, "agree when a client's channels end in another order", None
    return count, "differ", (case, *found)


def play(case, setting, order=_ORDERS[0]):
    """A case on both servers: what they did not agree on, or ``None``; how many operations it was; how it ended."""
    prefix = f"d{setting.seed}.{case}"
    stream = random.Random(f"{setting.seed} {case}")
    world = World(setting.version)
    began = time.monotonic()

    def catch_up():
        world.now_ns = round((time.monotonic() - began) * 1e9)
        world.server.advance(world.now_ns)

    def connect():
        connection = amqp.Connection(f"127.0.0.1:{setting.port}", virtual_host=setting.vhost)
        connection.connect()
        return connection

    arms = Arm(world.connect, prefix), Arm(connect, prefix)
    done, count = [], 0
    watched = [f"{prefix}.q{number}" for number in range(3)] + [f"{prefix}.dead"]
    world.server.order_of_ends = _order_of_ends(watched, *order)
    names = [*watched, f"{prefix}.barrier"], [f"{prefix}.dlx", f"{prefix}.x0", f"{prefix}.x1"]
    try:
        _clean(arms[1:], *names)
        for operation in draw(stream, prefix, setting.kinds, setting.length):
            count += 1
            done.append(operation)
            if operation[0] == "wait":
                time.sleep(operation[2]["seconds"])
            catch_up()
            results = [arm.do(operation) for arm in arms]
            difference = _compare(arms, results, watched, catch_up)
            if difference:
                return (done, *difference), count, "differ"
    except _Race:
        return None, count, "end where two queues deliver on one channel"
    finally:
        _clean(arms[1:], *names)
        for arm in arms:
            arm.close()
    return None, count, "agree"


def _order_of_ends(names, queues, step, one_by_one):
    place = dict(zip(names, queues, strict=True))

    def order_of_ends(channels, queues):
        channels = sorted(channels, key=lambda channel: step * channel.number)
        for queue in sorted(queues, key=lambda queue: place.get(queue.name, -1)):
            for gone in [[channel] for channel in channels] if one_by_one and queue.is_quorum else [channels]:
                yield queue, gone

    return order_of_ends


def _compare(arms, results, watched, catch_up):
    simulated, real = arms
    until = time.monotonic() + _PATIENCE_S
    while True:
        catch_up()
        simulated.drain()
        real.drain()
        states = [(results[i], _by_connection(arm.events), arm.counts(watched)) for i, arm in enumerate(arms)]
        if states[0] == states[1]:
            break
        if _without_tags(states[0]) == _without_tags(states[1]):
            raise _Race
        if time.monotonic() > until:
            return states
    for arm in arms:
        arm.events.clear()
    return None


class _Race(Exception):  # noqa: N818
    """Two queues delivered on one channel, and nobody can say which comes first: the case ends here."""


def _without_tags(state):
    result, events, counts = state
    delivered = sorted(repr((*e[:5], *e[6:])) for key, list_ in events.items() if isinstance(key, tuple) for e in list_)
    others = sorted(one for key in (0, 1) for one in events[key] if "'delivered'" not in one)
    return result, delivered, others, counts


def _by_connection(events):
    """In order for each channel of a connection; what queues do beside each other has no order."""
    return {number: sorted(map(repr, (e for e in events if e[0] == number))) for number in (0, 1)} | {
        (number, which): [e for e in events if e[0] == number and e[1] == "delivered" and e[2] == which]
        for number in (0, 1)
        for which in (0, 1)
    }


def _clean(arms, queues, exchanges):
    (real,) = arms
    for number in (0, 1):
        connection = real.connections[number]
        try:
            for queue in queues:
                channel = connection.channel()
                try:
                    channel.queue_delete(queue)
                except amqp.ChannelError:
                    continue
                channel.close()
            channel = connection.channel()
            for exchange in exchanges:
                channel.exchange_delete(exchange)
        except (OSError, amqp.AMQPError):
            real._reopen(number)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--version", default="3.10")
    parser.add_argument("--port", type=int, default=5672)
    parser.add_argument("--vhost", default="/")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="play this case alone")
    parser.add_argument("--kinds", default=",".join(KINDS), help="the kinds of queues that are drawn from")
    parser.add_argument("--length", type=int, default=LENGTH, help="how many operations a case has")
    parser.add_argument("--jobs", type=int, default=4, help="cases that are played beside each other")
    options = parser.parse_args()
    setting = Setting(
        version=options.version,
        port=options.port,
        vhost=options.vhost,
        seed=options.seed,
        kinds=tuple(options.kinds.split(",")),
        length=options.length,
    )
    cases = itertools.count() if options.case is None else [options.case]
    began, total, ends = time.monotonic(), 0, Counter()
    told = began
    with ProcessPoolExecutor(options.jobs, initializer=warnings.simplefilter, initargs=("ignore",)) as pool:
        for count, ended, found in _results(pool, cases, setting, 2 * options.jobs):
            total += count
            ends[ended] += 1
            if found:
                _tell(*found)
            if time.monotonic() - told > _RARELY_S:
                told = time.monotonic()
                print(f"seed {options.seed}: {total} of {options.operations} operations", flush=True)
            if total >= options.operations or ends["differ"] >= _ENOUGH:
                break
    seconds = time.monotonic() - began
    print(
        f"RabbitMQ {options.version}, seed {options.seed}: {total} operations in {ends.total()} cases, {seconds:.0f} s"
    )
    for ended, number in ends.most_common():
        print(f"  {number:5} cases {ended}")
    return 1 if ends["differ"] else 0


def _results(pool, cases, setting, beside):
    """What comes of the cases, in their order; so many are under way."""
    cases, pending = iter(cases), deque()
    try:
        while True:
            pending += (pool.submit(judge, case, setting) for case in itertools.islice(cases, beside - len(pending)))
            if not pending:
                return
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def _tell(case, done, simulated, real):
    print(f"case {case}: they differ after")
    for operation in done[-_SHOWN:]:
        print("   ", operation)
    for part, ours, theirs in zip(("result", "events", "counts"), simulated, real, strict=True):
        if ours != theirs:
            print(f"  {part}\n    simulated {ours}\n    real      {theirs}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
