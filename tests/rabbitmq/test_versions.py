"""What differs between versions, each row as a real server of that version showed it."""

import amqp
import pytest
from simulated_connection import World, drain

from retrysim.errors import InputError
from retrysim.rabbitmq import version_named

QUORUM = {"x-queue-type": "quorum"}


def bodies_after(version, *, everywhere):
    """What a consumer of prefetch 2 has got before and after its prefetch is raised to 4, of six messages."""
    connection = World(version).connect()
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True, auto_delete=False).queue
    for number in range(6):
        channel.basic_publish(amqp.Message(str(number)), routing_key=queue)
    got = []
    channel.basic_qos(0, 2, everywhere)
    channel.basic_consume(queue, callback=lambda message: got.append(message.body))
    drain(connection)
    before = len(got)
    channel.basic_qos(0, 4, everywhere)
    drain(connection)
    return before, len(got)


@pytest.mark.parametrize(
    ("version", "everywhere", "counts"),
    [
        ("3.10", True, (2, 4)),
        ("3.10", False, (2, 2)),
        ("3.13", True, (2, 4)),
        ("4.0", True, (2, 4)),
        ("4.0", False, (2, 2)),
        ("4.3", True, (2, 2)),
        ("4.3", False, (2, 2)),
    ],
)
def test_raised_prefetch_reaches_a_consumer_only_where_the_version_limits_channels(version, everywhere, counts):
    assert bodies_after(version, everywhere=everywhere) == counts


@pytest.mark.parametrize(
    ("version", "order"),
    [
        ("3.13", "None 0 4 5 9 3 1 31 40"),
        ("4.0", "5 9 None 31 40 0 4 3 1"),
        ("4.3", "31 40 9 5 None 4 3 1 0"),
    ],
)
def test_quorum_queue_orders_priorities_as_its_version_does(version, order):
    connection = World(version).connect()
    channel = connection.channel()
    channel.queue_declare("q", durable=True, auto_delete=False, arguments=QUORUM)
    for priority in (None, 0, 4, 5, 9, 3, 1, 31, 40):
        properties = {} if priority is None else {"priority": priority}
        channel.basic_publish(amqp.Message(str(priority), **properties), routing_key="q")

    got = [channel.basic_get("q", no_ack=True).body for _ in range(9)]

    assert " ".join(got) == order


@pytest.mark.parametrize(
    ("version", "how", "times"),
    [("3.13", "reject", 30), ("4.0", "reject", 21), ("4.0", "nack", 21), ("4.3", "reject", 21), ("4.3", "nack", 30)],
)
def test_delivery_limit_of_quorum_queues_counts_what_its_version_counts(version, how, times):
    connection = World(version).connect()
    channel = connection.channel()
    channel.queue_declare("q", durable=True, auto_delete=False, arguments=QUORUM)
    channel.basic_publish(amqp.Message("x"), routing_key="q")

    deliveries = 0
    while deliveries < 30 and (message := channel.basic_get("q")) is not None:
        deliveries += 1
        if how == "reject":
            channel.basic_reject(message.delivery_tag, requeue=True)
        else:
            channel.send_method((60, 120), "Lbb", (message.delivery_tag, False, True))

    assert deliveries == times


@pytest.mark.parametrize(
    ("version", "headers"),
    [
        ("3.10", {"x-delivery-count": 1}),
        ("4.0", {"x-delivery-count": 1}),
        ("4.3", {"x-acquired-count": 1, "x-delivery-count": 1}),
    ],
)
def test_quorum_queue_tells_how_often_it_returned_a_message(version, headers):
    connection = World(version).connect()
    channel = connection.channel()
    channel.queue_declare("q", durable=True, auto_delete=False, arguments=QUORUM)
    channel.basic_publish(amqp.Message("x"), routing_key="q")
    channel.basic_reject(channel.basic_get("q").delivery_tag, requeue=True)

    message = channel.basic_get("q")

    assert message.delivery_info["redelivered"] is True
    assert message.properties["application_headers"] == headers


def test_global_prefetch_is_refused_by_a_quorum_queue_before_4_3():
    connection = World("4.0").connect()
    channel = connection.channel()
    channel.queue_declare("q", durable=True, auto_delete=False, arguments=QUORUM)
    channel.basic_qos(0, 3, True)

    with pytest.raises(amqp.exceptions.AMQPNotImplementedError) as refused:
        channel.basic_consume("q")

    assert refused.value.reply_text == "NOT_IMPLEMENTED - queue 'q' in vhost '/' does not support global qos"


@pytest.mark.parametrize("version", ["3.10", "3.13", "4.0"])
def test_delivery_unacknowledged_for_half_an_hour_closes_the_channel_at_the_next_look(version):
    world = World(version)
    connection = world.connect()
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True, auto_delete=False).queue
    world.pass_ms(20_000)
    channel.basic_publish(amqp.Message("x"), routing_key=queue)
    channel.basic_consume(queue, callback=lambda _message: None)
    drain(connection)

    world.pass_ms(30 * 60_000)
    drain(connection)
    world.pass_ms(40_000)
    with pytest.raises(amqp.PreconditionFailed) as closed:
        drain(connection)

    assert closed.value.reply_text == (
        "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1800000 ms. "
        "This timeout value can be configured, see consumers doc guide to learn more"
    )
    assert world.server.host("/").queues[queue].messages_ready == 1


def test_4_3_cancels_the_late_consumer_of_a_quorum_queue_and_leaves_classic_ones():
    world = World("4.3")
    connection = world.connect()
    channel = connection.channel()
    cancelled = []
    channel.queue_declare("quorum", durable=True, auto_delete=False, arguments=QUORUM)
    channel.queue_declare("classic", durable=True, auto_delete=False)
    for queue in ("quorum", "classic"):
        channel.basic_publish(amqp.Message("x"), routing_key=queue)
        channel.basic_consume(queue, consumer_tag=queue, callback=lambda _m: None, on_cancel=cancelled.append)
    drain(connection)

    world.pass_ms(31 * 60_000)
    drain(connection)

    assert cancelled == ["quorum"]
    assert {q.name: (q.messages_ready, q.messages_unacknowledged) for q in world.server.queues()} == {
        "quorum": (1, 0),
        "classic": (0, 1),
    }


def test_4_3_returns_a_late_delivery_to_the_millisecond_and_counts_no_failure():
    """Measured on 4.3.6: with a limit of 3, the message came back 8 times, each after the whole timeout."""
    world = World("4.3")
    connection = world.connect()
    channel = connection.channel()
    got = []
    arguments = {**QUORUM, "x-consumer-timeout": 65_000, "x-delivery-limit": 3}
    channel.queue_declare("q", durable=True, auto_delete=False, arguments=arguments)
    channel.basic_publish(amqp.Message("x"), routing_key="q")

    for _ in range(8):
        cancelled = []
        channel.basic_consume("q", callback=got.append, on_cancel=cancelled.append)
        drain(connection)
        world.pass_ms(64_999)
        drain(connection)
        assert cancelled == []
        world.pass_ms(1)
        drain(connection)
        assert len(cancelled) == 1

    headers = [message.properties.get("application_headers") for message in got]
    assert headers == [None, *({"x-acquired-count": times} for times in range(1, 8))]


def test_transient_queue_is_refused_where_it_is_not_permitted():
    channel = World("4.3", permit_transient_queues=False).connect().channel()

    with pytest.raises(amqp.exceptions.InternalError) as refused:
        channel.queue_declare("q", durable=False)

    assert refused.value.reply_code == 541
    assert "transient_nonexcl_queues" in refused.value.reply_text


def test_unknown_version_names_those_that_are_modelled():
    with pytest.raises(InputError) as error:
        version_named("2.8")

    assert str(error.value) == "RabbitMQ 2.8 is not modelled; the versions that are: 3.10, 3.13, 4.0, 4.3"


@pytest.mark.parametrize(("version", "redelivered"), [("4.0", False), ("4.3", True)])
def test_dead_letter_of_a_redelivered_message_is_redelivered_since_4_3(version, redelivered):
    channel = World(version).connect().channel()
    channel.queue_declare("dead", auto_delete=False, durable=True)
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    channel.queue_declare("q", auto_delete=False, durable=True, arguments=arguments)
    channel.basic_publish(amqp.Message("x"), routing_key="q")

    channel.basic_reject(channel.basic_get("q").delivery_tag, requeue=True)
    channel.basic_reject(channel.basic_get("q").delivery_tag, requeue=False)

    assert channel.basic_get("dead").delivery_info["redelivered"] is redelivered


def test_recover_counts_towards_no_delivery_limit_since_4_3():
    channel = World("4.3").connect().channel()
    channel.queue_declare("q", durable=True, auto_delete=False, arguments=QUORUM)
    channel.basic_publish(amqp.Message("x"), routing_key="q")
    channel.basic_get("q")

    channel.basic_recover(requeue=True)

    assert channel.basic_get("q").properties["application_headers"] == {"x-acquired-count": 1}


@pytest.mark.parametrize(
    ("version", "order"),
    [
        ("3.10", "fetched early, fetched late, by a, by b"),
        ("3.13", "fetched early, fetched late, by a, by b"),
        ("4.0", "by b, by a, fetched early, fetched late"),
        ("4.3", "by b, by a, fetched early, fetched late"),
    ],
)
def test_quorum_queue_takes_back_what_a_channel_had_in_the_order_of_its_version(version, order):
    connection = World(version).connect()
    channel, other = connection.channel(), connection.channel()
    other.queue_declare("q", durable=True, auto_delete=False, arguments=QUORUM)

    def have(how):
        other.basic_publish(amqp.Message(how), routing_key="q")
        if how.startswith("fetched"):
            channel.basic_get("q")
        else:
            channel.basic_qos(0, 1, False)
            channel.basic_consume("q", consumer_tag=how, callback=lambda _: None)
        drain(connection)

    have("fetched early")
    have("by b")
    have("by a")
    have("fetched late")
    channel.close()

    got = [other.basic_get("q", no_ack=True).body for _ in range(4)]
    assert ", ".join(got) == order
