from django.db import transaction
from django.http import HttpRequest, JsonResponse

from orders.models import Order
from orders.tasks import push_order


def place_order(request: HttpRequest) -> JsonResponse:
    """The order is in the CRM soon after it is in the database, and not before."""
    with transaction.atomic():
        order = Order.objects.create(customer=request.POST["customer"])
        push_order.delay_on_commit(order.pk)
    return JsonResponse({"order": order.pk}, status=201)
