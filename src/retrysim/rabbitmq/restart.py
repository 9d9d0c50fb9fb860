"""What survives a restart of the node: durable queues and exchanges, the bindings between them, persistent messages."""

from __future__ import annotations

from retrysim.rabbitmq.virtual_host import VirtualHost


def survive(host: VirtualHost) -> None:
    """Remove from a virtual host what a restart does not keep."""
    for queue in list(host.queues.values()):
        if queue.declaration.durable:
            queue.keep_persistent()
        else:
            queue.delete("the server was restarted, and the queue is not durable")
    for exchange in list(host.exchanges.values()):
        if not exchange.durable and exchange.name in host.exchanges:
            host.remove_exchange(exchange)
