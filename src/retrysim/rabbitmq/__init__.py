"""A RabbitMQ server without I/O, true to its version; see ``server.Server``. Knows nobody but the bytes of AMQP 0-9-1.

The server itself is imported by whoever runs one.
"""

from retrysim.rabbitmq.options import RabbitMQ
from retrysim.rabbitmq.versions import NEWEST, VERSIONS, Version, version_named

__all__ = ["NEWEST", "VERSIONS", "RabbitMQ", "Version", "version_named"]
