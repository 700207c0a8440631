"""
Whatever a carrier says, in whatever order: every move is legal, and goods leave the warehouse once.
"""

from hypothesis import given
from hypothesis import strategies as st

from fulfillment.domain.orders import OrderStatus, check_path
from fulfillment.domain.shipping import ParcelEvent, outcome_of


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
