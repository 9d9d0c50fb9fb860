"""One of the two servers of ``rabbitmq_differential``, as clients of py-amqp see it."""

from __future__ import annotations

import contextlib
import re

import amqp
from rabbitmq_operations import KINDS

_INVENTED = re.compile(r"amq\.(gen|ctag)-[\w-]+")


class Arm:
    """Two connections of two channels each to a server, and what they were sent."""

    def __init__(self, connect, prefix):
        self._connect = connect
        self._prefix = prefix
        self.events = []
        self._tags = {}
        self.connections = [None, None]
        self.channels = {}
        self._watcher = None
        for number in (0, 1):
            self._open(number)

    def _open(self, number):
        connection = self.connections[number] = self._connect()
        if number == 0:
            self._watcher = None
        for which in (0, 1):
            self.channels[number, which] = self._channel(connection, number, which)

    def _channel(self, connection, number, which):
        channel = connection.channel()
        channel.confirm_select()
        channel.events["basic_return"].add(lambda *args: self._note(number, "returned", *_returned(args)))
        self._tags[number, which] = []
        return channel

    def _note(self, *event):
        self.events.append(event)

    def close(self):
        for connection in self.connections:
            with contextlib.suppress(OSError, amqp.AMQPError):
                connection.close()

    def do(self, operation):
        """What came of an operation."""
        name, where, arguments = operation
        try:
            return getattr(self, name)(where, **arguments)
        except amqp.ChannelError as error:
            self._heal(where)
            return (error.reply_code, _plain(error.reply_text))
        except (amqp.ConnectionError, OSError) as error:
            self._reopen(where[0])
            return ("connection", getattr(error, "reply_code", None), _plain(str(getattr(error, "reply_text", ""))))

    def _heal(self, where):
        connection = self.connections[where[0]]
        self.channels[where] = self._channel(connection, *where)

    def _reopen(self, number):
        with contextlib.suppress(OSError, amqp.AMQPError):
            self.connections[number].collect()
        self._open(number)

    def drain(self, seconds=0.0003):
        for number, connection in enumerate(self.connections):
            while True:
                try:
                    connection.drain_events(timeout=seconds)
                except TimeoutError:
                    break
                except amqp.ChannelError as error:
                    self._note(number, "channel error", error.reply_code, _plain(error.reply_text))
                    for where, channel in list(self.channels.items()):
                        if where[0] == number and not channel.is_open:
                            self._heal(where)

    # -- operations ----------------------------------------------------------------------------------------------------

    def declare(self, where, queue, kind):
        options = dict(KINDS[kind])
        arguments = {key: value for key, value in options.items() if key.startswith("x-")}
        if options.get("dead"):
            arguments["x-dead-letter-exchange"] = "" if options.get("self") else f"{self._prefix}.dlx"
            if options.get("self"):
                arguments["x-dead-letter-routing-key"] = queue
        answer = self.channels[where].queue_declare(
            queue,
            durable=options.get("durable", False),
            exclusive=options.get("exclusive", False),
            auto_delete=options.get("auto_delete", False),
            arguments=arguments,
        )
        return _plain(answer.queue), answer.message_count, answer.consumer_count

    def exchange(self, where, exchange, kind, alternate):
        arguments = {"alternate-exchange": alternate} if alternate else {}
        self.channels[where].exchange_declare(exchange, kind, durable=False, auto_delete=False, arguments=arguments)

    def bind(self, where, queue, exchange, key, arguments):
        self.channels[where].queue_bind(queue, exchange, key, arguments=arguments)

    def unbind(self, where, queue, exchange, key, arguments):
        self.channels[where].queue_unbind(queue, exchange, key, arguments=arguments)

    def bind_exchange(self, where, destination, source, key):
        self.channels[where].exchange_bind(destination, source, key)

    def publish(self, where, exchange, key, body, properties, mandatory):
        try:
            self.channels[where].basic_publish_confirm(
                amqp.Message(body, **properties), exchange, key, mandatory=mandatory
            )
        except amqp.exceptions.MessageNacked:
            return "nacked"
        return "confirmed"

    def get(self, where, queue, no_ack):
        message = self.channels[where].basic_get(queue, no_ack=no_ack)
        if message is None:
            return None
        if not no_ack:
            self._tags[where].append(message.delivery_tag)
        return _seen(message)

    def consume(self, where, queue, tag, no_ack, exclusive, priority):
        def deliver(message):
            if not no_ack:
                self._tags[where].append(message.delivery_tag)
            self._note(where[0], "delivered", where[1], *_seen(message))

        self.channels[where].basic_consume(
            queue,
            consumer_tag=tag,
            no_ack=no_ack,
            exclusive=exclusive,
            callback=deliver,
            on_cancel=lambda cancelled: self._note(where[0], "cancelled", cancelled),
            arguments={"x-priority": priority} if priority else None,
        )

    def cancel(self, where, tag):
        self.channels[where].basic_cancel(tag)

    def qos(self, where, count, everywhere):
        self.channels[where].basic_qos(0, count, everywhere)

    def ack(self, where, which, multiple):
        tag = self._tag(where, which)
        self.channels[where].basic_ack(tag, multiple=multiple)
        self._barrier(where)

    def reject(self, where, which, requeue):
        self.channels[where].basic_reject(self._tag(where, which), requeue)
        self._barrier(where)

    def nack(self, where, which, multiple, requeue):
        tag = self._tag(where, which)
        self.channels[where].send_method((60, 120), "Lbb", (tag, multiple, requeue))
        self._barrier(where)

    def _tag(self, where, which):
        tags = self._tags[where]
        return tags.pop(which % len(tags)) if tags else 99_999

    def _barrier(self, where):
        self.channels[where].queue_declare(f"{self._prefix}.barrier", passive=True)

    def recover(self, where):
        self._tags[where].clear()
        self.channels[where].basic_recover(requeue=True)
        self._barrier(where)

    def purge(self, where, queue):
        return self.channels[where].queue_purge(queue)

    def delete(self, where, queue, if_unused, if_empty):
        return self.channels[where].queue_delete(queue, if_unused=if_unused, if_empty=if_empty)

    def reopen_channel(self, where):
        self.channels[where].close()
        self._heal(where)

    def reopen_connection(self, where):
        self.connections[where[0]].close()
        self._reopen(where[0])

    def wait(self, where, seconds):
        """Time passes; the judge itself sleeps."""

    # -- looking -------------------------------------------------------------------------------------------------------

    def counts(self, queues):
        """What each queue says: ready, consumers; or the error's code."""
        found = {}
        for queue in queues:
            if self._watcher is None:
                self._watcher = self.connections[0].channel()
            try:
                answer = self._watcher.queue_declare(queue, passive=True)
                found[queue] = (answer.message_count, answer.consumer_count)
            except amqp.ChannelError as error:
                found[queue] = error.reply_code
                self._watcher = None
        return found


def _plain(text):
    return _INVENTED.sub("amq.\\1", re.sub(r"in vhost '[^']*'", "in vhost", text))


def _seen(message):
    info = message.delivery_info
    properties = dict(message.properties)
    headers = dict(properties.get("application_headers") or {})
    for death in headers.get("x-death", ()):
        death.pop("time", None)
    properties["application_headers"] = _in_order(headers)
    return (
        str(message.body),
        info.get("consumer_tag"),
        info["delivery_tag"],
        info["redelivered"],
        info["exchange"],
        info["routing_key"],
        info.get("message_count"),
        sorted(properties.items(), key=lambda item: item[0]),
    )


def _in_order(value):
    """A table in the order of its keys, which has no meaning."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(one) for one in value] if isinstance(value, list) else value


def _returned(arguments):
    error, exchange, key, message = arguments
    return error.reply_code, exchange, key, str(message.body)
