"""
For whom a provider is asked: read and written with the intent.
"""

from datetime import UTC, datetime

from fulfillment.contracts.messages import Pay, Readdress
from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.orders import Address, Card
from fulfillment.contracts.steps import BeginUndo, ReaddressOrder, TakePayment
from fulfillment.db.intents import Intent
from fulfillment.db.operations import Operation, intend
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import FailureCode, OrderStatus
from tests.fakes.orders import an_order
from tests.fakes.warehouse import Warehouse
from tests.fixtures.queries import counting_queries

AN_ADDRESS = Address(name="Ada", line1="1 Street", city="Graz", country="AT")
ANYWHERE = tuple(OrderStatus)


async def placed(warehouse: Warehouse, token: str | None = "tok_visa") -> OrderId:
    await warehouse.stocked_up("LAMP")
    new = an_order(token=token, accepted_at=datetime.now(UTC), caller="key:shop")
    await warehouse.place(new)
    return new.order_id


async def intended(warehouse: Warehouse, order_id: OrderId, kind: OperationKind) -> Operation:
    key = operation_key(order_id, kind, 1)
    intent = Intent(key=key, order_id=order_id, kind=kind, n=1, provider="sandbox", during=ANYWHERE)
    async with warehouse.database.statement() as connection:
        return await intend(connection, intent)


async def begin_undo(warehouse: Warehouse, order_id: OrderId, actor: str) -> None:
    await warehouse.steps.begin_undo(BeginUndo(order_id=order_id, n=1, failure=FailureCode.CANCELLED, actor=actor))


async def test_an_operation_is_for_whoever_placed_the_order_and_costs_one_round_trip(warehouse: Warehouse) -> None:
    order_id = await placed(warehouse)

    with counting_queries(warehouse.database) as queries:
        operation = await intended(warehouse, order_id, OperationKind.AUTHORIZE)

    assert operation.actor == "key:shop"
    assert len(queries) == 1


async def test_an_attempt_that_comes_after_somebody_cancelled_is_still_for_whom_the_first_one_was(
    warehouse: Warehouse,
) -> None:
    order_id = await placed(warehouse)
    await intended(warehouse, order_id, OperationKind.BOOK)
    await begin_undo(warehouse, order_id, "key:quitter")

    again = await intended(warehouse, order_id, OperationKind.BOOK)
    cancelled = await intended(warehouse, order_id, OperationKind.CANCEL)

    assert (again.attempts, again.actor) == (2, "key:shop")
    assert cancelled.actor == "key:quitter"


async def test_a_card_counts_until_something_newer_happens(warehouse: Warehouse) -> None:
    order_id = await placed(warehouse, token=None)
    payment = Pay(card=Card(token="tok"), actor="key:payer", key="k", fingerprint="f", fingerprint_key="fingerprints")
    await warehouse.steps.take_payment(TakePayment(order_id=order_id, n=1, payment=payment))
    authorized = await intended(warehouse, order_id, OperationKind.AUTHORIZE)
    await begin_undo(warehouse, order_id, "key:quitter")

    assert authorized.actor == "key:payer"
    assert (await intended(warehouse, order_id, OperationKind.VOID)).actor == "key:quitter"


async def test_an_authorization_is_for_who_gave_the_card_whatever_was_changed_since(warehouse: Warehouse) -> None:
    order_id = await placed(warehouse)
    await warehouse.steps.readdress_order(
        ReaddressOrder(order_id=order_id, n=1, change=Readdress(address=AN_ADDRESS, actor="key:support"))
    )

    assert (await intended(warehouse, order_id, OperationKind.AUTHORIZE)).actor == "key:shop"
    assert (await intended(warehouse, order_id, OperationKind.BOOK)).actor == "key:support"


async def test_an_undo_the_service_began_is_its_own(warehouse: Warehouse) -> None:
    order_id = await placed(warehouse)
    await warehouse.begin_rejection(order_id)

    assert (await intended(warehouse, order_id, OperationKind.VOID)).actor == "system"


async def test_another_order_does_not_count(warehouse: Warehouse) -> None:
    order_id, other = await placed(warehouse), await placed(warehouse)
    await begin_undo(warehouse, other, "key:quitter")

    assert (await intended(warehouse, order_id, OperationKind.AUTHORIZE)).actor == "key:shop"
