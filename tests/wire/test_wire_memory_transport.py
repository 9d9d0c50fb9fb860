"""An asyncio transport in memory, as a protocol sees it."""

from __future__ import annotations

import asyncio

from wire_helpers import Scripted, ok

from retrysim.fakes.response import Break
from retrysim.wire.broken import refused_error
from retrysim.wire.conversation import Conversation
from retrysim.wire.lifeline import Lifeline
from retrysim.wire.memory_transport import MemoryTransport
from retrysim.wire.origin import Origin

GET = b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n"


class Recorder(asyncio.Protocol):
    """Remembers what it is told."""

    def __init__(self):
        self.told = []

    def data_received(self, data):
        self.told.append(data[-5:])

    def connection_lost(self, exc):
        self.told.append(exc)

    def set_exception(self, exc):
        self.told.append(exc)


def play(steps, *responses):
    """What the protocol was told before each step and at the end; a step gets the transport."""

    async def main():
        protocol = Recorder()
        conversation = Conversation(Origin("https", "api.test", 443), Scripted(*responses))
        transport = MemoryTransport(protocol, conversation, Lifeline(), refused_error)
        seen = []
        for step in steps:
            step(transport)
            for _ in range(3):
                await asyncio.sleep(0)
            seen.append(list(protocol.told))
        return seen

    return asyncio.run(main())


def send(transport):
    transport.write(GET)


def test_answer_comes_with_the_next_turn_of_the_loop():
    def send_and_look(transport):
        send(transport)
        assert transport._protocol.told == []

    assert play([send_and_look], ok()) == [[b"hello"]]


def test_protocol_that_pauses_gets_the_answer_when_it_reads_on():
    steps = [MemoryTransport.pause_reading, send, MemoryTransport.resume_reading, send]

    assert play(steps, ok(b"12345"), ok(b"67890")) == [[], [], [b"12345"], [b"12345", b"67890"]]


def test_nothing_comes_after_the_transport_was_closed():
    def send_and_close(transport):
        send(transport)
        transport.close()

    assert play([send_and_close, send, MemoryTransport.close], ok()) == [[None], [None], [None]]


def test_closing_during_a_pause_gives_up_the_answer():
    steps = [MemoryTransport.pause_reading, send, MemoryTransport.abort, MemoryTransport.resume_reading]

    assert play(steps, ok()) == [[], [], [None], [None]]


def test_peer_that_closes_ends_the_connection_after_its_bytes():
    assert play([send], ok(b"0123456789", broken=Break.TRUNCATED)) == [[b"01234", None]]


def test_silence_never_ends_and_holds_up_what_comes_after_it():
    assert play([send, send], ok(broken=Break.SILENCE), ok()) == [[], []]
