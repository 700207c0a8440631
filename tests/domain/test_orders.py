"""
Which moves of an order there are, and what names it.
"""

from hypothesis import given
from hypothesis import strategies as st

from fulfillment.domain.ids import order_id_for
from fulfillment.domain.orders import TRANSITIONS, OrderStatus, sources

keys = st.text(min_size=1, max_size=40)


def test_every_status_can_be_reached_and_left_unless_it_is_final() -> None:
    final = {status for status in OrderStatus if status.is_final}

    assert final == {OrderStatus.DELIVERED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.RETURNED}
    assert {target for targets in TRANSITIONS.values() for target in targets} == {*OrderStatus} - {OrderStatus.RECEIVED}


def test_a_parcel_that_was_picked_up_is_never_called_back() -> None:
    assert OrderStatus.CANCELLING not in TRANSITIONS[OrderStatus.SHIPPED]
    assert OrderStatus.SHIPPED not in sources(OrderStatus.REJECTED)


@given(keys, keys, keys, keys)
def test_an_order_is_named_by_caller_and_key_and_by_nothing_else(a: str, b: str, c: str, d: str) -> None:
    assert (order_id_for(a, b) == order_id_for(c, d)) is ((a, b) == (c, d))
