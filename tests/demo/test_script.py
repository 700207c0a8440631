"""
What is done for one order of the file, and when; without a service.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus
from fulfillment.local.demo.scenarios import Scenario
from fulfillment.local.demo.script import Move, Part, Script
from fulfillment.local.demo.shop import SeenOrder
from tests.demo.boards import NOW
from tests.demo.boards import seen as an_order

ORDER = OrderId(UUID(int=1))


def seen(
    status: str, version: int, asks: str | None = None, updated_at: datetime = NOW, action_url: str | None = None
) -> SeenOrder:
    order = an_order(ORDER, OrderStatus(status), version, asks=asks)
    return replace(order, updated_at=updated_at, action_url=action_url)


def a_script(**scenario: Any) -> Script:
    return Script(Scenario.model_validate(scenario))


def moves(script: Script, *statuses: str) -> list[str]:
    """What is done while an order goes through these statuses, a new version each, looked at twice."""
    done = []
    for version, status in enumerate(statuses):
        news = seen(status, version)
        for _ in range(2):
            script.heard(news)
            if move := script.next(news):
                done.append(f"{status}: {move.what or move.part}")
                script.done(move, news)
    return done


def test_a_parcel_takes_its_next_step_when_the_service_knows_of_the_last() -> None:
    done = moves(a_script(carrier="return"), "processing", "awaiting_shipment", "shipped", "shipped", "needs_attention")

    assert done == ["awaiting_shipment: picked_up", "shipped: in_transit", "shipped: returned"]


def test_a_cancelled_order_s_parcel_stays_unless_the_carrier_had_it_before() -> None:
    done = moves(
        a_script(cancel_at="awaiting_shipment", carrier="late_pick_up"),
        *("processing", "awaiting_shipment", "awaiting_shipment", "cancelling", "shipped", "shipped"),
    )

    assert done == ["awaiting_shipment: cancel_at", "shipped: in_transit", "shipped: delivered"]


def test_a_card_is_given_each_time_the_order_waits_for_one() -> None:
    script = a_script(pay_later=["tok_declined", "tok_visa"])

    done = moves(script, "received", "awaiting_payment", "processing", "awaiting_payment", "processing")

    assert done == ["awaiting_payment: tok_declined", "awaiting_payment: tok_visa"]
    assert script.left() == script.remarks == []


def test_a_cancelled_order_gets_no_card() -> None:
    script = a_script(cancel_at="awaiting_payment", pay_later="tok_visa")

    assert moves(script, "awaiting_payment", "awaiting_payment", "cancelling") == ["awaiting_payment: cancel_at"]
    assert script.left() == ["pay_later: nobody asked for tok_visa"]


def test_an_operator_answers_once_per_question() -> None:
    statuses = ("needs_attention", "cancelling", "needs_attention", "cancelling")

    done = moves(a_script(actions=["retry", "skip"]), *statuses)

    assert done == ["needs_attention: retry", "needs_attention: skip"]


@pytest.mark.parametrize(
    ("action", "rest"), [("reship", ["picked_up", "in_transit", "delivered"]), ("found", ["delivered"])]
)
def test_after_a_parcel_was_lost_another_one_or_the_found_one_arrives(action: str, rest: list[str]) -> None:
    statuses = ("awaiting_shipment", "shipped", "needs_attention", "awaiting_shipment", "shipped", "shipped")
    script = a_script(carrier="lost", actions=[action])

    done = [line.partition(": ")[2] for line in moves(script, *statuses)]

    assert done == ["picked_up", "lost", action, *rest]


@pytest.mark.parametrize("passed", ["awaiting_shipment", "shipped", "cancelling", "needs_attention", "rejected"])
def test_an_order_that_has_passed_the_moment_of_its_cancellation_goes_on_and_says_so(passed: str) -> None:
    script = a_script(cancel_at="processing")

    script.heard(seen(passed, 3))

    assert script.remarks == ["cancel_at: the order was not seen processing"]
    assert not script.awaits_cancelling
    assert script.rests(seen(passed, 3))


@pytest.mark.parametrize("before", ["received", "awaiting_payment", "processing"])
def test_an_order_that_may_still_come_to_the_moment_of_its_cancellation_is_waited_for(before: str) -> None:
    script = a_script(cancel_at="awaiting_payment")

    script.heard(seen(before, 3))

    assert script.awaits_cancelling
    assert script.remarks == []


@pytest.mark.parametrize(
    ("scenario", "status", "in_vain"),
    [
        ({}, "needs_attention", True),
        ({"actions": ["refund"]}, "needs_attention", False),
        ({"cancel_at": "needs_attention"}, "needs_attention", False),
        ({}, "awaiting_payment", True),
        ({"pay_later": "tok_visa"}, "awaiting_payment", False),
        ({"actions": ["refund"]}, "awaiting_payment", True),
        ({"expect": {"status": "rejected", "code": "payment_expired"}}, "awaiting_payment", False),
        ({}, "awaiting_approval", False),
        ({"decisions": [["director", "approve"]]}, "awaiting_approval", False),
        ({"decisions": []}, "awaiting_approval", False),
        ({"decisions": [], "expect": {"status": "delivered"}}, "awaiting_approval", True),
        ({"expect": {"status": "awaiting_approval"}}, "awaiting_approval", True),
        ({"cancel_at": "awaiting_approval"}, "awaiting_approval", False),
        ({}, "processing", False),
    ],
)
def test_an_order_waits_in_vain_for_somebody_its_scenario_does_not_know(
    scenario: dict[str, Any], status: str, in_vain: bool
) -> None:
    assert a_script(**scenario).waits_in_vain(seen(status, 1)) is in_vain


def test_a_refused_answer_is_told_and_ends_the_answers_a_refused_cancellation_is_no_mistake() -> None:
    script = a_script(actions=["found", "refund"], cancel_at="shipped")

    script.refused(Move(Part.CANCEL), "order_not_cancellable")
    script.refused(Move(Part.ACT, "found"), "action_not_available")

    assert script.remarks == ["actions: found was refused, action_not_available"]
    assert script.waits_in_vain(seen("needs_attention", 1))


def test_a_parcel_nobody_picked_up_is_picked_up_after_the_last_waiting_if_it_is_to_arrive() -> None:
    statuses = ("awaiting_shipment", "needs_attention", "awaiting_shipment", "shipped")
    arrives = {"status": "delivered", "code": "hand_over_overdue"}

    done = moves(a_script(carrier="none", actions=["keep_waiting"], expect=arrives), *statuses)
    stays = moves(a_script(carrier="none", actions=["keep_waiting"]), *statuses)

    assert done == ["needs_attention: keep_waiting", "awaiting_shipment: picked_up", "shipped: in_transit"]
    assert stays == ["needs_attention: keep_waiting"]


def test_a_parcel_that_leaves_after_the_end_is_looked_at_by_an_operator() -> None:
    late = {"status": "cancelled", "code": "late_event"}
    script = a_script(cancel_at="awaiting_shipment", actions=["skip", "resolved_by_hand"], expect=late)
    assert moves(script, "awaiting_shipment", "needs_attention") == [
        "awaiting_shipment: cancel_at",
        "needs_attention: skip",
    ]

    leaving = script.next(seen("cancelled", 5))
    assert leaving == Move(Part.PARCEL, "picked_up")
    script.done(leaving, seen("cancelled", 5))
    assert script.next(seen("cancelled", 5)) is None
    asked = seen("cancelled", 6, asks="late_event")
    looking = script.next(asked)
    assert looking == Move(Part.ACT, "resolved_by_hand")
    assert script.is_to_come_late(asked)
    script.done(looking, asked)

    assert not script.is_to_come_late(asked)
    assert script.asked["late_event"] == ["resolved_by_hand"]


def test_a_cancelled_order_s_parcel_stays_where_no_late_event_is_expected() -> None:
    script = a_script(cancel_at="awaiting_shipment", actions=["retry"])

    assert moves(script, "awaiting_shipment", "cancelled") == ["awaiting_shipment: cancel_at"]


@pytest.mark.parametrize("action", ["retry_lookup", "it_happened"])
def test_what_is_looked_up_again_gets_time_to_have_happened(action: str) -> None:
    script = a_script(actions=[action])
    just_now = datetime.now(UTC)

    assert script.next(seen("needs_attention", 3, updated_at=just_now)) is None
    assert script.next(seen("needs_attention", 3)) == Move(Part.ACT, action)


@pytest.mark.parametrize(
    ("scenario", "status", "who"),
    [
        ({}, "processing", "the providers"),
        ({}, "shipped", "the carrier"),
        ({"pay_later": "tok_visa"}, "awaiting_payment", "the customer"),
        ({"expect": {"status": "rejected", "code": "payment_expired"}}, "awaiting_payment", "a deadline"),
        ({"carrier": "none", "actions": ["cancel"]}, "awaiting_shipment", "a deadline"),
        ({"actions": ["refund"]}, "needs_attention", "an operator"),
        ({}, "delivered", None),
    ],
)
def test_who_is_to_move_an_order_next_is_told(scenario: dict[str, Any], status: str, who: str | None) -> None:
    assert a_script(**scenario).waits_for(seen(status, 1)) == who


PAGE = "http://bank/asks"


@pytest.mark.parametrize("customer", ["agrees", "refuses"])
def test_a_customer_does_once_what_the_bank_asks_for_and_gives_another_card_only_after_a_no(customer: str) -> None:
    script = a_script(customer=customer, pay_later="tok_visa")
    asked = seen("awaiting_payment", 3, action_url=PAGE)
    script.heard(asked)
    move = script.next(asked)
    assert move == Move(Part.CUSTOMER, customer)
    assert not script.rests(asked)
    script.done(move, asked)
    assert script.next(asked) is None

    refused = seen("awaiting_payment", 4)
    assert script.next(refused) == Move(Part.PAY, "tok_visa")
    assert script.left() == ["pay_later: nobody asked for tok_visa"]


def test_a_customer_who_ignores_the_bank_gives_another_card_or_lets_the_deadline_pass() -> None:
    asked = seen("awaiting_payment", 3, action_url=PAGE)
    expired = {"status": "rejected", "code": "payment_expired"}

    assert a_script(customer="ignores", pay_later="tok_visa").next(asked) == Move(Part.PAY, "tok_visa")
    assert a_script(customer="ignores", expect=expired).next(asked) is None
    assert not a_script(customer="ignores", expect=expired).waits_in_vain(asked)
    assert a_script(customer="ignores").waits_in_vain(asked)
    assert not a_script().waits_in_vain(asked)


def test_a_customer_whom_no_bank_asks_is_told_of() -> None:
    assert a_script(customer="refuses").left() == ["customer: the bank asked for nothing"]
    assert a_script().left() == []


def test_a_payment_is_disputed_before_the_parcel_moves_and_an_operator_answers() -> None:
    script = a_script(provider="disputes", provider_at="awaiting_shipment", actions=["resolved_by_hand"])

    done = moves(script, "processing", "awaiting_shipment", "needs_attention", "awaiting_shipment", "shipped")

    assert done == [
        "awaiting_shipment: disputed",
        "needs_attention: resolved_by_hand",
        "awaiting_shipment: picked_up",
        "shipped: in_transit",
    ]


def test_a_payment_disputed_after_the_end_is_waited_for_until_an_operator_has_looked_at_it() -> None:
    script = a_script(provider="capture_fails", actions=["resolved_by_hand"])
    delivered = seen("delivered", 5)
    script.heard(delivered)
    assert script.is_to_come_late(delivered)
    telling = script.next(delivered)
    assert telling == Move(Part.PROVIDER, "capture_failed")
    script.done(telling, delivered)
    assert script.is_to_come_late(delivered)

    asked = seen("delivered", 6, asks="provider_dispute")
    script.heard(asked)
    looking = script.next(asked)
    assert looking == Move(Part.ACT, "resolved_by_hand")
    script.done(looking, asked)

    assert not script.is_to_come_late(seen("delivered", 7))
    assert script.asked == {"provider_dispute": ["resolved_by_hand"]}


def test_a_dispute_nobody_answers_is_waited_for_until_the_service_tells_of_it() -> None:
    script = a_script(provider="disputes")
    delivered = seen("delivered", 5)
    script.done(Move(Part.PROVIDER, "disputed"), delivered)

    assert script.is_to_come_late(delivered)
    assert not script.is_to_come_late(seen("delivered", 6, asks="provider_dispute"))


def test_a_dispute_that_could_not_be_told_is_not_tried_again() -> None:
    script = a_script(provider="disputes")

    script.refused(Move(Part.PROVIDER, "disputed"), "forbidden")

    assert script.next(seen("delivered", 5)) is None
    assert script.remarks == ["provider: disputed was refused, forbidden"]


def test_an_order_that_never_gets_where_its_payment_was_to_be_disputed_is_not_waited_for() -> None:
    script = a_script(provider="disputes")

    script.heard(seen("rejected", 3))

    assert script.remarks == ["provider: the order was not seen delivered"]
    assert not script.is_to_come_late(seen("rejected", 3))
