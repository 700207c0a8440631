"""
What is told of orders on their way, without a service.
"""

import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from rich.console import Console

from fulfillment.api.schemas.orders import PlaceOrderBody
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus
from fulfillment.invariants import Check
from fulfillment.local.demo.display import following
from fulfillment.local.demo.figures import Figures
from fulfillment.local.demo.orders_file import Article, FileOrder, read
from fulfillment.local.demo.progress import Board
from fulfillment.local.demo.providers import Parcels
from fulfillment.local.demo.report import Report
from fulfillment.local.demo.runner import Runner
from fulfillment.local.demo.shop import Receipt, Refused, SeenOrder, Shop
from fulfillment.local.demo.troubles import troubles
from tests.demo.files import a_line, written

NOW = datetime(2026, 1, 2, tzinfo=UTC)
FIGURES = Figures(orders=1, seconds=2.0, paid_and_booked=None)


def board_of(folder: Path, *lines: dict[str, Any]) -> Board:
    return Board(read(written(folder, *lines), PlaceOrderBody).orders)


def seen(
    order_id: OrderId, status: OrderStatus, version: int = 1, code: str | None = None, asks: str | None = None
) -> SeenOrder:
    return SeenOrder(
        id=order_id,
        status=status,
        version=version,
        code=code,
        asks=asks,
        carrier="sandbox",
        tracking_number="SBX1",
        captured=Money(9900, "EUR"),
        accepted_at=NOW,
        updated_at=NOW + timedelta(seconds=2),
    )


def place_all(board: Board) -> list[OrderId]:
    receipts = [Receipt(id=OrderId(uuid4()), accepted_at=NOW) for _ in board.all]
    for progress, receipt in zip(board.all, receipts, strict=True):
        board.placed(progress, receipt)
    return [receipt.id for receipt in receipts]


def test_every_difference_is_named_with_line_reference_and_reason(tmp_path: Path) -> None:
    rejected = {"expect": {"status": "rejected", "code": "stock_short"}}
    board = board_of(
        tmp_path, a_line("fine"), a_line("other", scenario=rejected), a_line("stuck"), a_line("refused"), a_line(None)
    )
    fine, other, stuck, *_ = place_all(board)
    board.saw(seen(fine, OrderStatus.DELIVERED))
    board.saw(seen(other, OrderStatus.REJECTED, code="payment_declined"))
    board.saw(seen(stuck, OrderStatus.PROCESSING))
    board.refused(board.all[3], Refused("invalid_request", "email: is not one"))

    assert board.disappointments == [
        "line 2, other: expected rejected (stock_short), is rejected (payment_declined)",
        "line 3, stuck: expected delivered, is processing",
        "line 4, refused: expected delivered, is refused (invalid_request): invalid_request: email: is not one",
        "line 5, line 5: expected delivered, is received",
    ]
    assert not board.is_over


def test_what_an_order_asks_an_operator_is_its_code_and_the_end_if_nobody_answers(tmp_path: Path) -> None:
    expected = {"carrier": "lost", "expect": {"status": "needs_attention", "code": "lost"}}
    board = board_of(tmp_path, a_line("asks", scenario=expected), a_line("wants", scenario={"carrier": "lost"}))
    for order_id in place_all(board):
        board.saw(seen(order_id, OrderStatus.NEEDS_ATTENTION, asks="lost"))

    assert board.is_over
    assert board.disappointments == ["line 2, wants: expected delivered, is needs_attention (lost)"]


def test_an_order_that_moves_on_while_it_is_being_cancelled_was_not_missed(tmp_path: Path) -> None:
    board = board_of(tmp_path, a_line(scenario={"cancel_at": "processing"}))
    (order_id,), (progress,) = place_all(board), board.all
    board.saw(seen(order_id, OrderStatus.PROCESSING, version=1))
    move = progress.next_move
    assert move
    assert progress.seen

    with progress.moving():
        board.saw(seen(order_id, OrderStatus.AWAITING_SHIPMENT, version=2))
        assert progress.next_move is None
        progress.script.done(move, progress.seen)
    board.saw(seen(order_id, OrderStatus.CANCELLED, version=4, code="cancelled"))

    assert board.disappointments == []


def test_old_news_of_an_order_change_nothing(tmp_path: Path) -> None:
    board = board_of(tmp_path, a_line())
    (order_id,) = place_all(board)

    board.saw(seen(order_id, OrderStatus.SHIPPED, version=5))
    board.saw(seen(order_id, OrderStatus.AWAITING_SHIPMENT, version=4))

    assert board.by_state == {OrderStatus.SHIPPED: 1}


@pytest.mark.parametrize(
    ("violations", "status", "good"), [(0, "delivered", True), (1, "delivered", False), (0, "rejected", False)]
)
def test_a_report_is_good_only_with_every_expectation_and_every_invariant(
    tmp_path: Path, violations: int, status: str, good: bool
) -> None:
    board = board_of(tmp_path, a_line())
    board.saw(seen(place_all(board)[0], OrderStatus(status)))
    verdict = Check(name="I1", claim="stock", violations=violations, examples=())

    report = Report(board=board, checks=[verdict], figures=FIGURES)

    assert report.is_good is good
    assert report.as_json()["ok"] is good


def test_more_than_sixty_orders_are_told_as_totals_and_nothing_in_them_acts_on_the_terminal(tmp_path: Path) -> None:
    few, many = (board_of(tmp_path, *(a_line(f"R\x1b[31m{n}") for n in range(count))) for count in (60, 61))
    for board in (few, many):
        for order_id in place_all(board):
            board.saw(seen(order_id, OrderStatus.DELIVERED))

    short, long = (printed(Report(board=board, checks=[], figures=FIGURES)) for board in (few, many))

    assert "R?[31m59" in short
    assert "\x1b" not in short
    assert "R?" not in long
    assert "6039.00 EUR" in long


def printed(report: Report) -> str:
    out = io.StringIO()
    report.print(Console(file=out, width=140))
    return out.getvalue()


def test_what_is_piped_gets_a_line_a_second_and_the_last_word(tmp_path: Path) -> None:
    out = io.StringIO()
    board = board_of(tmp_path, *(a_line(f"R-{n}") for n in range(5)))

    with following(Console(file=out, width=140)) as show:
        show(board)
        for order_id in place_all(board):
            board.saw(seen(order_id, OrderStatus.DELIVERED))
            show(board)

    assert [line.split("s  ")[1] for line in out.getvalue().splitlines()] == ["waiting 5", "delivered 5"]


class SilentShop(Shop):
    """Takes every order and never tells of one again."""

    def __init__(self) -> None:
        super().__init__(httpx2.AsyncClient(), "", {})

    async def count(self, article: Article) -> None:
        pass

    async def place(self, order: FileOrder) -> Receipt:
        return Receipt(id=OrderId(uuid4()), accepted_at=NOW)

    async def placed_since(self, moment: datetime) -> AsyncIterator[SeenOrder]:
        nothing: list[SeenOrder] = []
        for order in nothing:
            yield order


class IdleParcels(Parcels):
    """Nothing moves; the carrier cannot even be reached."""

    def __init__(self) -> None:
        super().__init__(httpx2.AsyncClient(), "")

    async def advance(self) -> None:
        raise httpx2.ConnectError("away")


async def test_a_service_that_stands_still_is_given_up(tmp_path: Path) -> None:
    file = read(written(tmp_path, a_line()), PlaceOrderBody)
    runner = Runner(SilentShop(), IdleParcels(), lambda _: None, timedelta(seconds=0.6))

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

    board = await Runner(HastyShop(), IdleParcels(), lambda _: None, timedelta(seconds=5)).run(file)

    assert board.disappointments == [f"line 1, R-1: expected cancelled (cancelled), is awaiting_shipment{why}"]


async def test_stock_the_warehouse_refuses_ends_the_demo(tmp_path: Path) -> None:
    class FullWarehouse(SilentShop):
        async def count(self, article: Article) -> None:
            raise Refused("below_reserved", article.sku)

    file = read(written(tmp_path, a_line()), PlaceOrderBody)

    with pytest.raises(Refused, match="below_reserved: SKU-1"):
        await Runner(FullWarehouse(), IdleParcels(), lambda _: None).run(file)


def test_the_last_complaints_of_every_process_are_shown(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    bad = [json.dumps({"level": "error", "event": f"failed_{n}"}) for n in range(5)]
    (logs / "api.log").write_text("\n".join(["plain", '{"level": "info", "event": "fine"}', *bad]))
    warning = json.dumps({"level": "warning", "event": "api died"})
    (logs / "stack.log").write_text(warning)
    (logs / "temporal.log").write_text(warning)

    assert troubles(tmp_path) == [*(f"api: {line}" for line in bad[-3:]), f"stack: {warning}"]
