"""
Whatever a carrier says, in whatever order: every move is legal, and goods leave the warehouse once.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.domain.orders import OrderStatus, check_path
from fulfillment.domain.shipping import ParcelEvent, ShipmentStatus, late_outcome_of, outcome_of


@given(st.lists(st.sampled_from(ParcelEvent), max_size=8), st.booleans())
def test_any_sequence_of_events_is_a_legal_life_in_which_goods_leave_once(
    events: list[ParcelEvent], overdue: bool
) -> None:
    status, picked_up, left = OrderStatus.NEEDS_ATTENTION if overdue else OrderStatus.AWAITING_SHIPMENT, False, 0
    for event in events:
        if status.is_final:
            break
        outcome = outcome_of(event, status, picked_up=picked_up)
        check_path(status, outcome.path)
        left += outcome.stock_leaves
        picked_up = picked_up or outcome.stock_leaves
        status = outcome.path[-1] if outcome.path else status
        # A question is asked exactly where the order stops, and never without a word in the timeline.
        assert (outcome.attention is None) is (outcome.path[-1:] != (OrderStatus.NEEDS_ATTENTION,))
        assert outcome.facts or not outcome.path

    assert left == int(any(event is not ParcelEvent.IN_TRANSIT for event in events))
    assert status is OrderStatus.DELIVERED or ParcelEvent.DELIVERED not in events


E, S, P = ParcelEvent, OrderStatus, ShipmentStatus
GONE = (E.LOST, E.RETURNED)
LATE: dict[tuple[OrderStatus, ShipmentStatus], tuple[ParcelEvent, ...]] = {
    (S.DELIVERED, P.DELIVERED): GONE,
    (S.RETURNED, P.RETURNED): GONE,
    (S.CANCELLED, P.LOST): GONE,
    (S.CANCELLED, P.CANCELLED): tuple(E),
    (S.CANCELLED, P.BOOKED): tuple(E),
    (S.REJECTED, P.CANCELLED): tuple(E),
    (S.CANCELLED, P.IN_TRANSIT): GONE,
    (S.SHIPPED, P.LOST): (),
    (S.PROCESSING, P.LOST): (),
    (S.NEEDS_ATTENTION, P.RETURNED): (),
}
"""Which events an operator must look at, of an order in this status whose parcel was there."""


@pytest.mark.parametrize(("status", "parcel"), LATE)
def test_late_events_are_somebodys_affair_where_goods_are_not_where_the_end_says(
    status: OrderStatus, parcel: ShipmentStatus
) -> None:
    asked = tuple(event for event in ParcelEvent if late_outcome_of(event, status, parcel).asks)

    assert asked == LATE[status, parcel]
