"""What becomes of more orders than the CRM takes in a minute."""

from datetime import timedelta

from shop import push_order

from retrysim.invariants import retries_follow_policy, retries_start_at_reset


def test_250_orders_take_two_minutes_and_none_is_lost(shop_sim):
    for order_id in range(250):
        push_order.delay(order_id)
    shop_sim.run()

    assert shop_sim.states == {"SUCCESS": 250}
    assert shop_sim.elapsed == timedelta(minutes=2)
    shop_sim.check(retries_start_at_reset, retries_follow_policy(at="reset"))
