"""The simulated server and its connections: blocking commands, timeouts, subscriptions, all of it in virtual time."""

import time

import pytest
import redis
from redis_apps import START_NS

from retrysim import Deadlock
from retrysim.celery.redis import RedisBroker, sockets
from retrysim.celery.redis.connection import connection_class
from retrysim.celery.redis.server import RedisServer
from retrysim.celery.result_conditions import ResultConditions
from retrysim.clock import VirtualClock
from retrysim.durations import SECOND
from retrysim.faults import Rules
from retrysim.kernel import Environment, Host, Role, Streams
from retrysim.network import Network
from retrysim.ordered import OrderedSet
from retrysim.patches import virtual_standard_library


@pytest.fixture
def environment():
    environment = Environment(VirtualClock(START_NS))
    with virtual_standard_library(environment, Streams(0)):
        yield environment
        environment.abandon_all()


@pytest.fixture
def broker(environment):
    return RedisBroker(Network(environment), Rules(print), ResultConditions(environment))


@pytest.fixture
def happened(environment):
    """A log of (seconds since the start, what)."""
    log = []

    def note(what):
        log.append(((environment.clock.ns - START_NS) / SECOND, what))

    note.log = log
    return note


def test_a_blocked_pop_is_answered_when_its_key_is_pushed(environment, broker, happened):
    def consume():
        happened(broker.client().brpop("jobs", timeout=10))

    environment.spawn(consume, name="consumer")
    environment.schedule(START_NS + 4 * SECOND, lambda: broker.client().lpush("jobs", "one"))
    environment.run()

    assert happened.log == [(4.0, (b"jobs", b"one"))]


def test_a_blocked_pop_gives_up_at_its_timeout(environment, broker, happened):
    environment.spawn(lambda: happened(broker.client().blpop("jobs", timeout=2.5)), name="consumer")
    environment.run()

    assert happened.log == [(2.5, None)]


def test_who_waits_longest_is_served_first(environment, broker, happened):
    def consume(name):
        happened((name, broker.client().brpop("jobs", timeout=60)[1]))

    for name in ("first", "second", "third"):
        environment.spawn(lambda name=name: consume(name), name=name)
    environment.schedule(START_NS + SECOND, lambda: broker.client().lpush("jobs", "a", "b", "c"))
    environment.run()

    assert happened.log == [(1.0, ("first", b"a")), (1.0, ("second", b"b")), (1.0, ("third", b"c"))]


def connected(broker):
    connection = broker.client().connection_pool.make_connection()
    connection.connect()
    return connection


def test_who_asks_again_stands_behind_all_others(environment, broker):
    early, late = connected(broker), connected(broker)
    early.send_command("BRPOP", "jobs", 1)
    early._sock.would_ask_again = lambda: True
    environment.run(until_ns=START_NS + SECOND // 2)
    late.send_command("BRPOP", "jobs", 9)
    environment.run(until_ns=START_NS + 2 * SECOND)

    broker.client().lpush("jobs", "one")
    assert (early._sock.connection.readable, late._sock.connection.readable) == (False, True)


def test_timeouts_that_change_nothing_are_skipped_and_keep_their_beat(environment, broker):
    idle = connected(broker)
    idle.send_command("BRPOP", "jobs", 1)
    idle._sock.would_ask_again = lambda: True
    environment.run(until_ns=START_NS + 86_400 * SECOND + SECOND // 4)

    assert environment.meter.steps < 10
    assert broker.server.until_timeout_ns(idle._sock) == SECOND * 3 // 4


def test_a_pop_of_several_keys_takes_the_first_that_has_something(environment, broker, happened):
    environment.spawn(lambda: happened(broker.client().brpop(["high", "low"], timeout=9)), name="consumer")

    def push():
        with broker.client().pipeline() as pipe:
            pipe.lpush("low", "l").lpush("high", "h").execute()

    environment.schedule(START_NS + SECOND, push)
    environment.run()

    assert happened.log == [(1.0, (b"high", b"h"))]


def test_an_answer_may_be_what_another_one_waits_for(environment, broker, happened):
    environment.spawn(lambda: happened(broker.client().brpoplpush("a", "b", timeout=9)), name="mover")
    environment.spawn(lambda: happened(broker.client().brpop("b", timeout=9)), name="consumer")
    environment.schedule(START_NS + SECOND, lambda: broker.client().lpush("a", "x"))
    environment.run()

    assert sorted(happened.log, key=str) == [(1.0, (b"b", b"x")), (1.0, b"x")]


def test_changes_of_other_keys_are_not_tried(environment, broker):
    tried = []
    server = broker.server
    real_try = server._try
    server._try = lambda client: (tried.append(client.words), real_try(client))
    environment.spawn(lambda: broker.client().brpop("jobs", timeout=9), name="consumer")

    def push():
        broker.client().set("other", 1)
        broker.client().lpush("jobs", "one")

    environment.schedule(START_NS + SECOND, push)
    environment.run()

    assert tried == [{b"BRPOP", b"jobs", b"9"}]


def test_who_pops_is_not_tried_for_a_list_that_is_gone_again(environment, broker, happened):
    tried = []
    server = broker.server
    real_try = server._try
    server._try = lambda client: (tried.append(client.command), real_try(client))
    for name in ("first", "second", "third"):
        environment.spawn(lambda: happened(broker.client().brpop("jobs", timeout=9)), name=name)
    environment.schedule(START_NS + SECOND, lambda: broker.client().lpush("jobs", "one"))
    environment.run()

    assert tried == [b"BRPOP"]
    assert [found for _, found in happened.log] == [(b"jobs", b"one"), None, None]


def test_a_pop_in_a_transaction_does_not_block(environment, broker):
    with broker.client().pipeline(transaction=True) as pipe:
        assert pipe.brpop("jobs", timeout=9).execute() == [None]
    assert environment.clock.ns == START_NS


def test_a_pop_in_the_test_itself_drives_the_simulation(environment, broker):
    environment.schedule(START_NS + 4 * SECOND, lambda: broker.client().lpush("jobs", "one"))

    assert broker.client().brpop("jobs", timeout=10) == (b"jobs", b"one")
    assert environment.clock.ns == START_NS + 4 * SECOND


def test_a_pop_without_a_timeout_that_nobody_answers_is_a_deadlock(broker):
    with pytest.raises(Deadlock) as caught:
        broker.client().brpop("jobs")
    assert str(caught.value) == "the test waits for a reply from Redis, but nothing is left that could bring it"


def test_a_socket_timeout_ends_a_longer_pop(environment, broker):
    with pytest.raises(redis.TimeoutError) as caught:
        broker.client(socket_timeout=3).brpop("jobs", timeout=10)
    assert str(caught.value) == "Timeout reading from the simulated Redis"
    assert environment.clock.ns == START_NS + 3 * SECOND


def test_a_key_expires_in_virtual_time(environment, broker):
    client = broker.client()
    client.set("key", "value", ex=10)

    environment.run(until_ns=START_NS + 10 * SECOND)
    assert client.get("key") == b"value"
    environment.run(until_ns=START_NS + 10 * SECOND + 1_000_000)
    assert client.get("key") is None


def test_the_servers_clock_is_the_simulations(environment, broker):
    environment.run(until_ns=START_NS + 1_500_000_000)

    assert broker.client().time() == (1_438_603_201, 500_000)


def test_subscribers_hear_a_message_in_the_order_of_their_subscription(environment, broker, happened):
    def listen(name):
        listener = broker.client().pubsub(ignore_subscribe_messages=True)
        listener.subscribe("news")
        while listener.get_message(timeout=100) is None:
            pass
        happened(name)

    for name in ("a", "b", "c", "d", "e"):
        environment.spawn(lambda name=name: listen(name), name=name)
    environment.schedule(START_NS + SECOND, lambda: broker.client().publish("news", "x"))
    environment.run()

    assert happened.log == [(1.0, name) for name in "abcde"]


def test_reading_a_reply_puts_off_the_next_health_check(environment, broker):
    client = broker.client(health_check_interval=25)
    client.ping()
    sent = []
    (connection,) = client.connection_pool._available_connections
    send = connection.send_packed_command
    connection.send_packed_command = lambda command, **options: (sent.append(command), send(command, **options))

    for _ in range(3):
        time.sleep(24)
        client.get("key")
    assert len(sent) == 3  # no PING between

    time.sleep(26)
    client.get("key")
    assert len(sent) == 5


def test_what_a_dropped_host_waited_for_goes_to_others(environment, broker, happened):
    doomed, living = (Host(environment, name, role=Role.WORKER) for name in ("doomed", "living"))
    for host, name in ((doomed, "doomed"), (living, "living")):
        environment.spawn(
            lambda n=name: happened((n, broker.client().brpop("jobs", timeout=9)[1])), name=name, host=host
        )
    environment.run(until_ns=START_NS + SECOND)

    environment.kill(doomed)
    broker.network.drop(doomed)
    broker.client().lpush("jobs", "one")
    environment.run()

    assert happened.log == [(1.0, ("living", b"one"))]


def test_two_servers_do_not_see_each_other(environment):
    pools = [
        redis.ConnectionPool(connection_class=connection_class(RedisServer(Network(environment)))) for _ in range(2)
    ]
    one, other = (redis.Redis(connection_pool=pool) for pool in pools)
    one.set("key", "value")

    assert (one.get("key"), other.get("key")) == (b"value", None)


def test_an_ordered_set_is_a_set_that_remembers_who_came_first():
    items = OrderedSet([3, 1, 2])
    items.add(1)
    items.discard(9)

    assert list(items) == [3, 1, 2]
    assert items.pop() == 3
    assert items == {1, 2}


def test_a_command_may_be_sent_in_the_middle_of_another(broker):
    client, other = broker.client(), broker.client()
    client.rpush("list", "x")

    with broker.server.lock:  # as when Python collects a result of Celery's there, which unsubscribes
        assert other.llen("list") == 1


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "key"),
        ("CONFIG GET", "maxmemory"),
        (b"CLIENT SETNAME", b"me"),
        ("SET", "clé", b"\x00\r\n", 1, 2.5, memoryview(b"y")),
        ("LPUSH", "queue", "x" * 10_000),
    ],
)
def test_a_command_has_the_fields_that_redis_py_would_write(broker, command):
    connection = broker.client().connection_pool.make_connection()
    written = b"".join(bytes(piece) for piece in connection._command_packer.pack(*command))

    (fields,) = connection.pack_command(*command)

    assert sockets.as_bytes(fields) == written


def test_commands_that_are_sent_while_another_blocks_run_after_it_in_their_order(environment, broker, happened):
    def send():
        connection = broker.client().connection_pool.make_connection()
        connection.connect()
        for command in (("BRPOP", "queue", 0), ("INCR", "number"), ("INCR", "number")):
            connection.send_command(*command)
        happened(broker.client().get("number"))
        happened([connection.read_response() for _ in range(3)])

    environment.spawn(send, name="client")
    environment.schedule(START_NS + SECOND, lambda: broker.client().lpush("queue", "a"))
    environment.run()

    assert happened.log == [(0.0, None), (1.0, [[b"queue", b"a"], 1, 2])]
