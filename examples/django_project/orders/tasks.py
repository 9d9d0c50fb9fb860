"""Orders go to a CRM that allows 100 calls per minute; per customer, one at a time."""

import redis
import requests
from celery import shared_task
from celery.utils.log import get_task_logger
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from orders.models import Order

logger = get_task_logger(__name__)
client = redis.Redis.from_url(f"{settings.REDIS_URL}/2")


@shared_task(bind=True, max_retries=None)
def push_order(self, order_id):
    order = Order.objects.get(pk=order_id)
    lock = client.lock(f"customer:{order.customer}", timeout=60)
    if not lock.acquire(blocking=False):
        raise self.retry(countdown=5)
    try:
        response = requests.post(
            "https://crm.acme.io/orders",
            json={"id": order.pk, "customer": order.customer},
            headers={"Authorization": f"Bearer {settings.CRM_TOKEN}"},
            timeout=10,
        )
    finally:
        lock.release()
    if response.status_code == 429:
        logger.error("the CRM has had enough")  # which Sentry is told
        raise self.retry(countdown=int(response.headers["Retry-After"]))
    response.raise_for_status()
    order.pushed_at = timezone.now()
    order.save(update_fields=["pushed_at"])
    cache.set(f"pushed:{order.pk}", True, timeout=3600)
