"""What RabbitMQ refuses: a code of the protocol and a text. Some codes close the channel, others the connection."""

from __future__ import annotations

#: The codes that close a channel, and their names (AMQP 0-9-1, section 1.2 of the XML specification).
SOFT = {
    311: "CONTENT_TOO_LARGE",
    312: "NO_ROUTE",
    313: "NO_CONSUMERS",
    403: "ACCESS_REFUSED",
    404: "NOT_FOUND",
    405: "RESOURCE_LOCKED",
    406: "PRECONDITION_FAILED",
}
#: The codes that close the connection.
HARD = {
    320: "CONNECTION_FORCED",
    402: "INVALID_PATH",
    501: "FRAME_ERROR",
    502: "SYNTAX_ERROR",
    503: "COMMAND_INVALID",
    504: "CHANNEL_ERROR",
    505: "UNEXPECTED_FRAME",
    506: "RESOURCE_ERROR",
    530: "NOT_ALLOWED",
    540: "NOT_IMPLEMENTED",
    541: "INTERNAL_ERROR",
}


class Refusal(Exception):  # noqa: N818 - the protocol's own errors are data here, nobody's bug
    """Raised inside the server; a client sees ``reply_text`` in its ``Close``."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.reply_text = f"{SOFT.get(code) or HARD[code]} - {text}"

    @property
    def closes_connection(self) -> bool:
        return self.code in HARD


def not_found(kind: str, name: str, vhost: str) -> Refusal:
    """There is no such queue or exchange."""
    return Refusal(404, f"no {kind} '{name}' in vhost '{vhost}'")
