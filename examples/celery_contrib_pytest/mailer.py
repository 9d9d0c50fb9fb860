"""A Celery app that sends mail, and tries again in half an hour."""

from celery import Celery, shared_task

app = Celery("mailer", broker="redis://localhost:6379/0", backend="redis://localhost:6379/1")


class MailboxFullError(Exception):
    pass


def deliver(address):
    """To be replaced in tests."""


@shared_task
def greet(name):
    return f"hello {name}"


@shared_task(bind=True)
def send(self, address):
    try:
        return deliver(address)
    except MailboxFullError as error:
        raise self.retry(countdown=1800, exc=error) from error
