"""Tasks that change rows, and one whose receivers do."""

from contextlib import suppress

from celery import shared_task
from celery.signals import before_task_publish, worker_init, worker_process_init
from django.db import connection

from parcels.models import Parcel


@shared_task(bind=True, max_retries=3)
def cancel(self, parcel_id):
    Parcel.objects.filter(pk=parcel_id).delete()
    raise self.retry(countdown=5)


@shared_task
def touch(parcel_id):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE parcels_parcel SET state = 'touched' WHERE id = %s", [parcel_id])
    return Parcel.objects.count()


@worker_init.connect
@worker_process_init.connect
@before_task_publish.connect
def note(**_):
    with suppress(Exception):
        Parcel.objects.create(state="noted")


def one_parcel():
    """What a scenario begins with."""
    Parcel.objects.create()
