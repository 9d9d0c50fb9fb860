"""Whatever bytes come, the server answers in the protocol."""

import random

import pytest
from simulated_connection import World

from retrysim.rabbitmq import framing
from retrysim.rabbitmq.methods import _REQUESTS

_HANDSHAKE = (
    b"AMQP\x00\x00\x09\x01",
    framing.frame(1, 0, b"\x00\x0a\x00\x0b" + b"\0\0\0\0" + b"\x05PLAIN" + b"\0\0\0\x0c\0guest\0guest" + b"\x05en_US"),
    framing.frame(1, 0, b"\x00\x0a\x00\x1f" + b"\x07\xff\x00\x02\x00\x00\x00\x00"),
    framing.frame(1, 0, b"\x00\x0a\x00\x28" + b"\x01/\x00\x00"),
    framing.frame(1, 1, b"\x00\x14\x00\x0a\x00"),
)


def opened():
    socket = World().raw()
    for part in _HANDSHAKE:
        socket.sendall(part)
    assert socket.everything().endswith(framing.frame(1, 1, b"\x00\x14\x00\x0b\0\0\0\0"))
    return socket


def malformed(stream):
    kind = stream.choice((0, 1, 1, 1, 1, 2, 3, 8, 255))
    channel = stream.choice((0, 1, 1, 1, 2, 9999))
    payload = stream.randbytes(stream.randrange(40))
    if kind == 1 and stream.random() < 0.8:
        payload = b"%b%b" % (b"".join(n.to_bytes(2, "big") for n in stream.choice(_REQUESTS).signature), payload)
    data = framing.frame(kind, channel, payload)
    if stream.random() < 0.2:
        position = stream.randrange(len(data))
        data = data[:position] + stream.randbytes(1) + data[position + 1 :]
    return data


@pytest.mark.parametrize("seed", range(4))
def test_2500_malformed_frames_never_raise(seed):
    stream, socket, closed = random.Random(seed), opened(), 0

    for _ in range(2_500):
        socket.sendall(malformed(stream))
        answer = socket.everything()
        if b"\x00\x0a\x00\x32" in answer or socket.ended:
            closed += 1
            socket.close()
            socket = opened()

    assert closed > 100


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (framing.frame(7, 1, b"x"), 501, "FRAME_ERROR - type 7 is no frame"),
        (framing.frame(1, 1, b"\x00\x3c"), 502, "SYNTAX_ERROR - a method frame without a method"),
        (framing.frame(1, 1, b"\x00\x3c\x03\xe7"), 503, "COMMAND_INVALID - unknown method (60, 999)"),
        (
            framing.frame(1, 1, b"\x00\x3c\x00\x28\x00\x00\x09x"),
            502,
            "SYNTAX_ERROR - cannot decode the arguments of basic.publish",
        ),
        (framing.frame(1, 5, b"\x00\x3c\x00\x46\x00\x00\x00\x00"), 504, "CHANNEL_ERROR - expected 'channel.open'"),
        (framing.frame(3, 1, b"x"), 505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead"),
    ],
)
def test_malformed_frame_is_answered_by_the_protocol_s_own_error(data, code, text):
    socket = opened()

    socket.sendall(data)

    answer = socket.everything()
    assert answer[7:11] == b"\x00\x0a\x00\x32"
    assert int.from_bytes(answer[11:13], "big") == code
    assert answer[14 : 14 + answer[13]].decode() == text


def test_another_protocol_is_answered_by_the_header_of_ours():
    socket = World().raw()

    socket.sendall(b"GET / HTTP/1.1\r\n\r\n")

    assert socket.everything() == b"AMQP\x00\x00\x09\x01"
    assert socket.ended
