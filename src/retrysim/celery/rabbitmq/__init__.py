"""RabbitMQ as Celery meets it: kombu's pyamqp and py-amqp, on a simulated server, under Celery's event loop."""

from retrysim.celery.rabbitmq.broker import RabbitMQBroker

__all__ = ["RabbitMQBroker"]
