"""What people do in tasks: queries, transactions, locks of rows, follow-up tasks."""

import os
import time

import redis
from celery import shared_task
from django.core.cache import cache
from django.db import connection, transaction

from orders.models import Order

CLIENT = redis.Redis.from_url("redis://locks.acme:6379/3")  # made once, at import


@shared_task
def count():
    return Order.objects.count()


@shared_task
def which_connection(seconds=0):
    connection.ensure_connection()
    before = id(connection.connection)
    time.sleep(seconds)
    return before, id(connection.connection)


@shared_task
def create(seconds=0):
    """In a transaction, which takes its time."""
    with transaction.atomic():
        Order.objects.create(state="made by a task")
        if seconds:
            time.sleep(seconds)
    return Order.objects.count()


@shared_task
def rename(order_id, state, seconds=0):
    """With the row's lock, where the database has any."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        order.state += f" {state}"
        order.save()
        time.sleep(seconds)
    return order.state


@shared_task
def rename_both(first, second):
    """Two rows, one after the other."""
    with transaction.atomic():
        Order.objects.select_for_update().get(pk=first)
        time.sleep(1)
        Order.objects.select_for_update().get(pk=second)
        Order.objects.filter(pk__in=(first, second)).update(state=f"{first} before {second}")


@shared_task
def read_then_write(seconds):
    """In one transaction: a reader that becomes a writer."""
    with transaction.atomic():
        Order.objects.count()
        if seconds:
            time.sleep(seconds)
        Order.objects.create(state="read before")


@shared_task
def create_and_count_later():
    with transaction.atomic():
        Order.objects.create(state="first")
        transaction.on_commit(count.delay)
    transaction.on_commit(count.delay)  # outside of any: at once


@shared_task
def send_inside():
    with transaction.atomic():
        Order.objects.create(state="first")
        count.delay()


@shared_task
def fail_inside(savepoint=True):
    with transaction.atomic(savepoint=savepoint):
        Order.objects.create(state="never")
        transaction.on_commit(count.delay)
        raise ValueError("no")


@shared_task
def exit_inside():
    with transaction.atomic():
        Order.objects.create(state="never")
        os._exit(1)


@shared_task(bind=True, max_retries=None)
def only_one(self, seconds):
    """A lock in Redis, as people hold one."""
    lock = CLIENT.lock("only-one", timeout=60)
    if not lock.acquire(blocking=False):
        raise self.retry(countdown=30)
    try:
        time.sleep(seconds)
    finally:
        lock.release()


@shared_task
def only_one_waits(seconds):
    with CLIENT.lock("only-one", timeout=60):
        time.sleep(seconds)


@shared_task
def remember(key, value, seconds):
    cache.set(key, value, timeout=seconds)


@shared_task
def recall(key):
    return cache.get(key)
