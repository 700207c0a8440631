"""
Running orders against a shop that does not do what it should.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from fulfillment.api.schemas.orders import PlaceOrderBody
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus
from fulfillment.local.demo.approvals import ApprovalDesk, SeenApproval
from fulfillment.local.demo.orders_file import Article, FileOrder, read
from fulfillment.local.demo.outage import Outage
from fulfillment.local.demo.providers import Parcels, PaymentProvider
from fulfillment.local.demo.runner import Runner
from fulfillment.local.demo.service import Refused, Service
from fulfillment.local.demo.shop import Receipt, SeenOrder, Shop
from tests.demo.boards import NOW, board_of, place_all, seen
from tests.demo.files import a_line, written

NOWHERE = Service(httpx2.AsyncClient(), "", {})


class SilentShop(Shop):
    """Takes every order and never tells of one again."""

    def __init__(self) -> None:
        super().__init__(NOWHERE)

    async def count(self, article: Article) -> None:
        pass

    async def place(self, order: FileOrder) -> Receipt:
        return Receipt(id=OrderId(uuid4()), accepted_at=NOW)

    async def placed_since(self, moment: datetime) -> AsyncIterator[SeenOrder]:
        nothing: list[SeenOrder] = []
        for order in nothing:
            yield order


class EmptyDesk(ApprovalDesk):
    """Nothing waits for anybody."""

    def __init__(self) -> None:
        super().__init__(NOWHERE)

    async def all(self) -> list[SeenApproval]:
        return []


class IdleParcels(Parcels):
    """Nothing moves; the carrier cannot even be reached."""

    def __init__(self) -> None:
        super().__init__(httpx2.AsyncClient(), "")

    async def advance(self) -> None:
        raise httpx2.ConnectError("away")


PROVIDER = PaymentProvider(httpx2.AsyncClient(), "")


async def test_a_service_that_stands_still_is_given_up(tmp_path: Path) -> None:
    file = read(written(tmp_path, a_line()), PlaceOrderBody)
    runner = Runner(SilentShop(), IdleParcels(), PROVIDER, EmptyDesk(), lambda _: None, timedelta(seconds=0.6))

    board = await runner.run(file)

    assert board.disappointments == [
        "given up: no order has moved for 0.6 s",
        "line 1, R-1: expected delivered, is received",
    ]


class HastyShop(SilentShop):
    """Has every order paid and booked before anybody can cancel it, and says no to everything."""

    def __init__(self) -> None:
        super().__init__()
        self._placed = OrderId(uuid4())

    async def place(self, order: FileOrder) -> Receipt:
        return Receipt(id=self._placed, accepted_at=NOW)

    async def read(self, order_id: OrderId) -> SeenOrder:
        return seen(order_id, OrderStatus.AWAITING_SHIPMENT, 3)

    async def placed_since(self, moment: datetime) -> AsyncIterator[SeenOrder]:
        yield seen(self._placed, OrderStatus.AWAITING_SHIPMENT, 3)

    async def cancel(self, order_id: OrderId, key: str) -> SeenOrder:
        raise Refused("order_not_cancellable", key)


@pytest.mark.parametrize(
    ("moment", "why"),
    [("processing", "; cancel_at: the order was not seen processing"), ("awaiting_shipment", "")],
)
async def test_an_order_that_could_not_be_cancelled_is_told_instead_of_waited_for(
    tmp_path: Path, moment: str, why: str
) -> None:
    file = read(written(tmp_path, a_line(scenario={"cancel_at": moment, "carrier": "none"})), PlaceOrderBody)

    board = await Runner(HastyShop(), IdleParcels(), PROVIDER, EmptyDesk(), lambda _: None, timedelta(seconds=5)).run(
        file
    )

    assert board.disappointments == [f"line 1, R-1: expected cancelled (cancelled), is awaiting_shipment{why}"]


async def test_stock_the_warehouse_refuses_ends_the_demo(tmp_path: Path) -> None:
    class FullWarehouse(SilentShop):
        async def count(self, article: Article) -> None:
            raise Refused("below_reserved", article.sku)

    file = read(written(tmp_path, a_line()), PlaceOrderBody)

    with pytest.raises(Refused, match="below_reserved: SKU-1"):
        await Runner(FullWarehouse(), IdleParcels(), PROVIDER, EmptyDesk(), lambda _: None).run(file)


class RecordedProvider(PaymentProvider):
    """Writes down what is asked of it."""

    def __init__(self) -> None:
        super().__init__(httpx2.AsyncClient(), "")
        self.told: list[str] = []

    async def stop_taking_money(self) -> None:
        self.told.append("stop")

    async def work_again(self) -> None:
        self.told.append("work")


async def test_an_outage_begins_when_all_others_are_paid_and_ends_when_those_that_meet_it_have_asked(
    tmp_path: Path,
) -> None:
    meets = {"actions": ["retry"], "expect": {"status": "delivered", "code": "capture_overdue"}}
    board, provider = board_of(tmp_path, a_line("other"), a_line("meets", scenario=meets)), RecordedProvider()
    outage = Outage(board, provider)
    other, meeting = place_all(board)

    board.saw(replace(seen(other, OrderStatus.PROCESSING), captured=Money(0, "EUR")))
    assert not await outage.begins()
    board.saw(seen(other, OrderStatus.AWAITING_SHIPMENT, version=2))
    assert await outage.begins()
    await outage.ends()
    assert outage.is_on
    board.saw(seen(meeting, OrderStatus.NEEDS_ATTENTION, asks="capture_overdue"))
    await outage.ends()

    assert not outage.is_on
    assert not await outage.begins()
    assert provider.told == ["stop", "work"]


async def test_without_orders_that_meet_an_outage_there_is_none(tmp_path: Path) -> None:
    board, provider = board_of(tmp_path, a_line()), RecordedProvider()
    board.saw(seen(place_all(board)[0], OrderStatus.DELIVERED))

    assert not await Outage(board, provider).begins()
    assert provider.told == []
