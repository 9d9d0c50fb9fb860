"""A simulated RabbitMQ on a port: py-amqp on a real socket, deliveries, and what is due later."""

import amqp
import pytest

from retrysim.rabbitmq.server import RabbitMQServer
from retrysim.wire.rabbitmq_port import RabbitMQPort


@pytest.fixture
def said():
    return []


@pytest.fixture
def port(said):
    port = RabbitMQPort(RabbitMQServer("4.0"), say=said.append)
    port.start()
    yield port
    port.stop()


def connected(port):
    connection = amqp.Connection(f"127.0.0.1:{port.port}")
    connection.connect()
    return connection


def test_client_publishes_and_consumes_over_a_real_socket(port, said):
    connection = connected(port)
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).queue
    got = []
    channel.basic_consume(queue, callback=lambda message: got.append(message.body))

    channel.basic_publish(amqp.Message("x" * 300_000), routing_key=queue)
    while not got:
        connection.drain_events(timeout=5)
    connection.close()

    assert connection.server_properties is not None
    assert [len(body) for body in got] == [300_000]
    assert said[0].endswith("has connected")


def test_message_that_expires_goes_to_its_dead_letter_exchange_in_real_time(port):
    connection = connected(port)
    channel = connection.channel()
    dead = channel.queue_declare("", exclusive=True).queue
    arguments = {"x-message-ttl": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    waiting = channel.queue_declare("", exclusive=True, arguments=arguments).queue
    got = []
    channel.basic_consume(dead, no_ack=True, callback=lambda message: got.append(message.body))

    channel.basic_publish(amqp.Message("x"), routing_key=waiting)
    while not got:
        connection.drain_events(timeout=5)

    assert got == ["x"]
    connection.close()


def test_stopped_port_hangs_up_and_taken_port_is_an_error(port):
    connection = connected(port)

    with pytest.raises(OSError, match="address already in use"):
        RabbitMQPort(RabbitMQServer(), port=port.port).start()

    port.stop()
    with pytest.raises(OSError, match=r"Server unexpectedly closed connection|Connection reset"):
        connection.drain_events(timeout=5)
