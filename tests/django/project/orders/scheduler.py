"""A schedule that is kept in the database, as django-celery-beat keeps one."""

from celery.beat import Scheduler

from orders.models import Order


class FromTheDatabase(Scheduler):
    """Counts once a minute, for each order that is scheduled."""

    def setup_schedule(self):
        for order in Order.objects.filter(state="scheduled"):
            self.add(name=f"order {order.pk}", task="orders.tasks.count", schedule=60)
