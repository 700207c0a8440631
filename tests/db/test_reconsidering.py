"""
An order that is changed asks anew where it must, and goes on where nobody needs to be asked any more.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from fulfillment.contracts.messages import Pay
from fulfillment.contracts.orders import Address, Card, Line, Resume
from fulfillment.contracts.steps import BeginUndo, TakePayment
from fulfillment.db import recovery
from fulfillment.db.changes import OutOfStep
from fulfillment.db.engine import Database
from fulfillment.db.left_orders import standing
from fulfillment.db.tables import approvals, orders
from fulfillment.domain.approval_policy import AtLeast, RiskRules
from fulfillment.domain.approvals import ApprovalStatus
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import FailureCode, OrderStatus
from fulfillment.settings import Settings
from tests.fakes.orders import a_line, an_order
from tests.fakes.policies import DEAR, a_policy
from tests.fakes.warehouse import Warehouse

S = OrderStatus
HOME = Address(name="Ada Lovelace", line1="Weg 1", city="Berlin", postal_code="10115", country="DE")
ABROAD = replace(HOME, country="AT")
ONE_DEAR, TWO_DEAR, CHEAP = a_line("LAMP", 1, DEAR), a_line("LAMP", 2, DEAR), a_line("LAMP", 1, 100)


@pytest.fixture
async def asking(database: Database, settings: Settings) -> Warehouse:
    made = Warehouse.on(database, settings, a_policy(RiskRules(countries={"AT": 10})))
    await made.stocked(LAMP=10)
    return made


async def placed(asking: Warehouse, *lines: Line, token: str | None = "tok_visa", **more: Any) -> OrderId:
    order = an_order(*lines, token=token, **more)
    await asking.place(order)
    return order.order_id


async def statuses(asking: Warehouse, order_id: OrderId) -> list[str]:
    return [request.status for request in await asking.requests(order_id)]


async def approved(asking: Warehouse, order_id: OrderId, n: int = 1) -> OrderStatus:
    await asking.decided(order_id, ApprovalStatus.APPROVED, n)
    return await asking.settle(order_id, n)


async def due_in(asking: Warehouse, order_id: OrderId) -> timedelta | None:
    async with asking.database.statement() as connection:
        return (await standing(connection, order_id)).payment_due_in


async def wait(asking: Warehouse, order_id: OrderId, days: int) -> None:
    """So many days go by for an order."""
    gone = timedelta(days=days)
    columns = ("payment_due_at", "payment_paused_at")
    earlier = update(orders).values({name: orders.c[name] - gone for name in columns})
    async with asking.database.transaction() as connection:
        await connection.execute(earlier.where(orders.c.id == order_id))


@pytest.mark.parametrize(
    ("token", "status", "kinds"),
    [
        ("tok_visa", S.PROCESSING, ["order_approved"]),
        (None, S.AWAITING_PAYMENT, ["order_approved", "payment_requested"]),
    ],
    ids=["card_given", "no_card"],
)
async def test_an_approved_order_goes_on(
    token: str | None, status: OrderStatus, kinds: list[str], asking: Warehouse
) -> None:
    order_id = await placed(asking, ONE_DEAR, token=token)

    assert [await approved(asking, order_id), await asking.settle(order_id)] == [status] * 2
    assert (await asking.events(order_id))[3:] == kinds
    assert ((await asking.order(order_id)).payment_due_at is None) is (status is S.PROCESSING)


async def test_approving_twice_at_once_settles_once(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR, token=None)
    await asking.decided(order_id, ApprovalStatus.APPROVED)

    assert set(await asyncio.gather(*(asking.settle(order_id) for _ in range(6)))) == {S.AWAITING_PAYMENT}
    assert (await asking.events(order_id))[3:] == ["order_approved", "payment_requested"]


async def test_an_order_that_waits_for_nobody_is_not_settled(asking: Warehouse) -> None:
    with pytest.raises(OutOfStep):
        await asking.settle(await placed(asking, CHEAP))


@pytest.mark.parametrize("line", [ONE_DEAR, a_line("LAMP", 1, DEAR - 1)], ids=["the_same", "below"])
async def test_up_to_what_was_approved_nothing_is_asked(line: Line, asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR, token=None)
    await approved(asking, order_id)
    changed = await asking.amend(order_id, line)

    assert (changed.status, changed.approval) == (S.AWAITING_PAYMENT, None)
    assert await statuses(asking, order_id) == ["approved"]
    assert (await asking.order(order_id)).approved_total == DEAR


@pytest.mark.parametrize(
    "line",
    [TWO_DEAR, Line(sku=ONE_DEAR.sku, name="A lamp", quantity=1, unit_price=Money(DEAR, "USD"))],
    ids=["above", "another_currency"],
)
async def test_above_what_was_approved_people_are_asked_again(line: Line, asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR, token=None)
    await approved(asking, order_id)
    changed = await asking.amend(order_id, line)
    again = await asking.amend(order_id, line)
    newest = (await asking.requests(order_id))[-1]

    assert (changed.status, changed.refusal) == (S.AWAITING_APPROVAL, None)
    assert changed.approval is not None
    assert (changed.approval.n, changed.approval.requesters) == (2, ("key:shop", "shop"))
    assert again == changed
    assert await statuses(asking, order_id) == ["approved", "pending"]
    assert (newest.total, newest.currency) == (changed.total.amount, changed.total.currency)
    assert (await asking.events(order_id))[-2:] == ["order_amended", "approval_requested"]


async def test_what_the_rules_approved_and_what_they_approve_now_needs_nobody(asking: Warehouse) -> None:
    order_id = await placed(asking, CHEAP, token=None)
    changed = await asking.amend(order_id, a_line("LAMP", 2, 100))
    row = await asking.order(order_id)

    assert (changed.status, changed.approval) == (S.AWAITING_PAYMENT, None)
    assert (row.approved_total, row.approved_currency) == (200, "EUR")


async def test_a_change_while_people_decide_makes_their_request_void_and_asks_anew(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR, token=None)
    changed = await asking.amend(order_id, TWO_DEAR)
    first = (await asking.requests(order_id))[0]

    assert changed.status is S.AWAITING_APPROVAL
    assert changed.approval is not None
    assert changed.approval.n == 2
    assert await statuses(asking, order_id) == ["void", "pending"]
    assert (first.waiting_for, first.due_at, first.version) == ([], None, 2)
    assert first.closed_at is not None


@pytest.mark.parametrize(
    ("token", "status", "last"),
    [("tok_visa", S.PROCESSING, "order_amended"), (None, S.AWAITING_PAYMENT, "payment_requested")],
    ids=["card_given", "no_card"],
)
async def test_an_order_amended_below_every_threshold_goes_on(
    token: str | None, status: OrderStatus, last: str, asking: Warehouse
) -> None:
    order_id = await placed(asking, ONE_DEAR, token=token)
    changed = await asking.amend(order_id, CHEAP)

    assert (changed.status, changed.approval) == (status, None)
    assert await asking.amend(order_id, CHEAP) == changed
    assert await statuses(asking, order_id) == ["void"]
    assert (await asking.events(order_id))[-1] == last
    assert (await asking.order(order_id)).approved_total == 100


async def test_an_order_amended_back_to_what_was_approved_goes_on(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR, token=None)
    await approved(asking, order_id)
    await asking.amend(order_id, TWO_DEAR)
    changed = await asking.amend(order_id, ONE_DEAR, n=2)

    assert changed.status is S.AWAITING_PAYMENT
    assert await statuses(asking, order_id) == ["approved", "void"]


async def test_whoever_made_it_dearer_may_not_decide_although_somebody_else_has_changed_it_since(
    asking: Warehouse,
) -> None:
    order_id = await placed(asking, CHEAP, token=None)
    await asking.amend(order_id, ONE_DEAR, actor="key:bob")
    amended = await asking.amend(order_id, TWO_DEAR, n=2, actor="key:eve")
    moved = await asking.readdress(order_id, ABROAD, n=3)

    assert amended.approval is not None
    assert amended.approval.requesters == ("key:shop", "key:bob", "key:eve")
    assert moved.approval is not None
    assert moved.approval.requesters == ("key:shop", "key:bob", "key:eve", "shop")


async def test_a_yes_to_an_earlier_request_does_not_settle_what_is_asked_anew(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR)
    await asking.decided(order_id, ApprovalStatus.APPROVED)
    await asking.amend(order_id, TWO_DEAR)

    with pytest.raises(OutOfStep):
        await asking.settle(order_id)
    assert (await asking.order(order_id)).status == "awaiting_approval"


async def test_an_order_that_is_settled_and_asked_anew_is_not_settled_over_and_over(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR, token=None)
    await approved(asking, order_id)
    await asking.amend(order_id, TWO_DEAR)

    with pytest.raises(OutOfStep):
        await asking.settle(order_id)


async def test_a_change_at_once_with_its_twin_asks_once(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR, token=None)
    changed = await asyncio.gather(*(asking.amend(order_id, TWO_DEAR) for _ in range(6)))

    assert all(answer == changed[0] for answer in changed)
    assert await statuses(asking, order_id) == ["void", "pending"]


async def test_a_change_that_is_refused_names_the_request_the_order_still_waits_for(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR)
    short = await asking.amend(order_id, a_line("LAMP", 11, DEAR))

    assert (short.refusal, short.approval and short.approval.n) == ("stock_short", 1)
    assert await statuses(asking, order_id) == ["pending"]


@pytest.mark.parametrize("answer", [ApprovalStatus.REJECTED, ApprovalStatus.EXPIRED])
async def test_a_no_the_order_has_not_heard_yet_cannot_be_undone_by_a_change(
    answer: ApprovalStatus, asking: Warehouse
) -> None:
    order_id = await placed(asking, ONE_DEAR)
    await asking.decided(order_id, answer)

    assert (await asking.amend(order_id, CHEAP)).refusal == "order_not_amendable"
    assert (await asking.readdress(order_id, ABROAD)).refusal == "order_not_amendable"
    assert await statuses(asking, order_id) == [answer]


async def test_a_yes_the_order_has_not_heard_yet_counts_for_a_change(asking: Warehouse) -> None:
    order_id = await placed(asking, TWO_DEAR, token=None)
    await asking.decided(order_id, ApprovalStatus.APPROVED)

    assert (await asking.amend(order_id, ONE_DEAR)).status is S.AWAITING_PAYMENT
    assert await statuses(asking, order_id) == ["approved"]


async def test_a_change_that_looks_like_fraud_is_refused(database: Database, settings: Settings) -> None:
    risk = RiskRules(units_of_one_sku=AtLeast(number=5, points=90), refuse_from=90)
    warehouse = Warehouse.on(database, settings, a_policy(risk))
    await warehouse.stocked(LAMP=10)
    order_id = await placed(warehouse, CHEAP, token=None)

    assert (await warehouse.amend(order_id, a_line("LAMP", 5, 100))).refusal == "order_not_amendable"
    assert await warehouse.figures("LAMP") == (10, 1)


async def test_another_country_is_asked_about_anew_while_people_decide(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR)
    changed = await asking.readdress(order_id, ABROAD)

    assert (changed.status, changed.approval and changed.approval.n) == (S.AWAITING_APPROVAL, 2)
    assert await asking.readdress(order_id, ABROAD) == changed
    assert await statuses(asking, order_id) == ["void", "pending"]
    assert (await asking.requests(order_id))[-1].assessment["points"] == {"country": 10}


async def test_another_street_leaves_the_request_as_it_is(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR)
    changed = await asking.readdress(order_id, replace(HOME, line1="Allee 2"))

    assert (changed.refusal, changed.approval and changed.approval.n) == (None, 1)
    assert await statuses(asking, order_id) == ["pending"]


async def test_people_have_approved_the_country_too(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR)
    await approved(asking, order_id)

    assert (await asking.readdress(order_id, ABROAD)).refusal == "order_not_amendable"
    assert (await asking.order(order_id)).shipping_address["country"] == "DE"
    assert (await asking.readdress(order_id, replace(HOME, line1="Allee 2"), n=2)).refusal is None


async def test_another_country_is_fine_where_the_rules_ask_nobody(asking: Warehouse) -> None:
    order_id = await placed(asking, CHEAP)

    assert (await asking.readdress(order_id, ABROAD)).refusal is None
    assert (await asking.order(order_id)).assessment["score"] == 10


async def test_another_country_is_too_late_where_the_rules_would_ask_for_it(
    asking: Warehouse, database: Database, settings: Settings
) -> None:
    order_id = await placed(asking, a_line("LAMP", 1, 9_999))
    stricter = Warehouse.on(database, settings, a_policy(RiskRules(countries={"AT": 90}, refuse_from=90)))

    assert (await stricter.readdress(order_id, ABROAD)).refusal == "order_not_amendable"


async def test_an_undo_makes_the_request_void(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR)
    undo = BeginUndo(order_id=order_id, n=1, failure=FailureCode.CANCELLED, actor="shop")
    for _ in "12":
        await asking.steps.begin_undo(undo)
    (request,) = await asking.requests(order_id)

    assert (request.status, request.waiting_for, request.version) == ("void", [], 2)
    assert (await asking.events(order_id))[-1] == "cancellation_requested"


async def test_an_undo_leaves_what_was_decided(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR)
    await asking.decided(order_id, ApprovalStatus.REJECTED)
    await asking.begin_rejection(order_id)

    assert await statuses(asking, order_id) == ["rejected"]


async def test_the_days_to_pay_stand_still_while_people_decide(asking: Warehouse) -> None:
    order_id = await placed(asking, CHEAP, token=None)
    await wait(asking, order_id, days=2)
    await asking.amend(order_id, ONE_DEAR)
    await wait(asking, order_id, days=4)
    left = await due_in(asking, order_id)
    assert await approved(asking, order_id) is S.AWAITING_PAYMENT
    row, then = await asking.order(order_id), await due_in(asking, order_id)

    assert left is not None
    assert then is not None
    for seen in (left, then):
        assert timedelta(days=4, hours=23) < seen <= timedelta(days=5)
    assert row.payment_paused_at is None


async def test_an_order_whose_card_was_declined_waits_for_another_one_after_its_approval(asking: Warehouse) -> None:
    order_id = await placed(asking, CHEAP, token=None)
    card = Pay(card=Card(token="tok_visa"), actor="shop", key="k", fingerprint="f", fingerprint_key="k")
    await asking.steps.take_payment(TakePayment(order_id=order_id, n=1, payment=card))
    await asking.become(order_id, S.AWAITING_PAYMENT)
    await asking.amend(order_id, ONE_DEAR)

    assert await approved(asking, order_id) is S.AWAITING_PAYMENT


async def test_an_order_from_before_there_were_approvals_is_approved_as_it_is(asking: Warehouse) -> None:
    order_id = await placed(asking, a_line("LAMP", 1, 200), token=None)
    await asking.become(order_id, S.AWAITING_PAYMENT, approved_total=None, approved_currency=None, assessment=None)

    assert (await asking.amend(order_id, CHEAP)).status is S.AWAITING_PAYMENT
    assert (await asking.amend(order_id, ONE_DEAR, n=2)).status is S.AWAITING_APPROVAL
    assert await asking.count(approvals) == 1


async def test_whoever_takes_an_order_over_is_told_the_request_it_waits_for(asking: Warehouse) -> None:
    order = an_order(ONE_DEAR)
    placement = await asking.place(order)
    for _ in "12":
        async with asking.database.transaction() as connection:
            taken = await recovery.take_over(connection, order.order_id, "run-2", Resume(actor="ops", reason="gone"))
        assert taken is not None
        assert (taken.run_id, taken.status, taken.approval) == ("run-2", S.AWAITING_APPROVAL, placement.approval)


async def test_an_order_that_was_approved_is_taken_over_without_a_request(asking: Warehouse) -> None:
    order_id = await placed(asking, ONE_DEAR)
    await approved(asking, order_id)
    async with asking.database.transaction() as connection:
        taken = await recovery.take_over(connection, order_id, "run-2", Resume(actor="ops", reason="gone"))

    assert taken is not None
    assert (taken.status, taken.approval) == (S.PROCESSING, None)
