"""
What is told of orders on their way, without a service.
"""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fulfillment.api.schemas.orders import PlaceOrderBody
from fulfillment.domain.approvals import ApprovalStatus
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus
from fulfillment.invariants import Check
from fulfillment.local.demo.approvals import SeenApproval
from fulfillment.local.demo.coverage import Coverage
from fulfillment.local.demo.display import following
from fulfillment.local.demo.figures import Figures
from fulfillment.local.demo.orders_file import read
from fulfillment.local.demo.report import Report
from fulfillment.local.demo.script import Move, Part
from fulfillment.local.demo.service import Refused
from fulfillment.local.demo.story import story
from fulfillment.local.demo.troubles import troubles
from tests.demo.boards import board_of, place_all, seen
from tests.demo.files import a_line, written

FIGURES = Figures(orders=1, seconds=2.0, paid_and_booked=None)


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
        "line 5: expected delivered, is received",
    ]
    assert not board.is_over


def test_what_an_order_asks_an_operator_is_its_code_and_the_end_if_nobody_answers(tmp_path: Path) -> None:
    expected = {"carrier": "lost", "expect": {"status": "needs_attention", "code": "lost"}}
    board = board_of(tmp_path, a_line("asks", scenario=expected), a_line("wants", scenario={"carrier": "lost"}))
    for order_id in place_all(board):
        board.saw(seen(order_id, OrderStatus.NEEDS_ATTENTION, asks="lost"))

    assert board.is_over
    assert board.disappointments == ["line 2, wants: expected delivered, is needs_attention (lost)"]


def test_a_question_that_is_expected_must_have_been_asked_by_the_end(tmp_path: Path) -> None:
    expected = {"actions": ["retry"], "expect": {"status": "delivered", "code": "undo_failed"}}
    board = board_of(tmp_path, a_line("asked", scenario=expected), a_line("not", scenario=expected))
    asked, other = place_all(board)

    question = seen(asked, OrderStatus.NEEDS_ATTENTION, version=1, asks="undo_failed")
    board.saw(question)
    board.all[0].script.done(Move(Part.ACT, "retry"), question)
    board.saw(seen(asked, OrderStatus.DELIVERED, version=2))
    board.saw(seen(other, OrderStatus.DELIVERED))

    assert board.disappointments == [
        "line 2, not: expected delivered (undo_failed), is delivered; actions: nobody asked for retry"
    ]
    assert Coverage.of(board).as_json() == {
        "statuses": ["received", "needs_attention", "delivered"],
        "failure_codes": [],
        "attention_reasons": {"undo_failed": ["retry"]},
    }


def test_a_question_that_was_answered_is_not_the_one_an_order_ends_with(tmp_path: Path) -> None:
    lost = {"actions": ["refund"], "expect": {"status": "needs_attention", "code": "lost"}}
    board = board_of(tmp_path, a_line(scenario=lost))
    (order_id,) = place_all(board)

    question = seen(order_id, OrderStatus.NEEDS_ATTENTION, version=1, asks="lost")
    board.saw(question)
    board.all[0].script.done(Move(Part.ACT, "refund"), question)
    board.saw(seen(order_id, OrderStatus.NEEDS_ATTENTION, version=3, asks="undo_failed"))

    assert board.disappointments == ["line 1, R-1: expected needs_attention (lost), is needs_attention (undo_failed)"]


def test_the_money_of_each_currency_adds_up(tmp_path: Path) -> None:
    yen = [{"sku": "CUP", "name": "Cup", "quantity": 3, "unit_price": {"amount": 500, "currency": "JPY"}}]
    board = board_of(tmp_path, a_line("kept"), a_line("back"), a_line("unseen"), a_line("yen", lines=yen))
    kept, back, *_ = place_all(board)
    board.saw(seen(kept, OrderStatus.DELIVERED))
    board.saw(replace(seen(back, OrderStatus.RETURNED), refunded=Money(9900, "EUR")))

    euro, other = board.money

    assert (euro.ordered, euro.captured, euro.refunded, euro.kept) == tuple(
        Money(amount, "EUR") for amount in (29700, 19800, 9900, 9900)
    )
    assert (other.ordered, other.kept) == (Money(1500, "JPY"), Money(0, "JPY"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (a_line(), "straight to the door"),
        (a_line(scenario={"token": "tok_down", "expect": {"status": "rejected"}}), "the bank stays away"),
        (
            a_line(scenario={"cancel_at": "awaiting_shipment", "carrier": "late_pick_up"}),
            "the carrier was faster, cancelled while awaiting shipment",
        ),
        (a_line(scenario={"pay_later": ["tok_declined", "tok_visa"]}), "pays later, with card 2"),
        (a_line(scenario={"token": "tok_of_another_provider"}), "tok_of_another_provider"),
        (a_line(scenario={"expect": {"status": "rejected"}}), ""),
    ],
)
def test_the_story_of_an_order_is_told_in_words(tmp_path: Path, line: dict[str, Any], told: str) -> None:
    assert story(read(written(tmp_path, line), PlaceOrderBody).orders[0]) == told


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


def test_more_than_eighty_orders_are_told_as_totals_and_nothing_in_them_acts_on_the_terminal(tmp_path: Path) -> None:
    few, many = (board_of(tmp_path, *(a_line(f"R\x1b[31m{n}") for n in range(count))) for count in (80, 81))
    for board in (few, many):
        for order_id in place_all(board):
            board.saw(seen(order_id, OrderStatus.DELIVERED))

    short, long = (printed(Report(board=board, checks=[], figures=FIGURES)) for board in (few, many))

    assert "R?[31m79" in short
    assert "\x1b" not in short
    assert "R?" not in long
    assert "8019.00 EUR" in long


def test_what_people_were_asked_is_told_by_levels_and_outcome(tmp_path: Path) -> None:
    board = board_of(tmp_path, a_line("R-1"), a_line("R-2"), a_line("R-3"))
    first, second, third = place_all(board)
    board.approvals = [
        an_approval(first, "approved", "manager"),
        an_approval(second, "approved", "manager"),
        an_approval(third, "expired", "night_desk", "manager", escalated=("night_desk",)),
    ]
    for order_id in (first, second, third):
        board.saw(seen(order_id, OrderStatus.DELIVERED))
    report = Report(board=board, checks=[], figures=FIGURES)

    told = printed(report)

    assert re.search(r"R-2 .* manager: approved", told)
    assert re.search(r"night_desk \+ manager +expired +night_desk +1\n", told)
    assert re.search(r"manager +approved +2\n", told)
    assert report.as_json()["approvals"] == [
        {"asked": ["manager"], "outcome": "approved", "escalated": [], "requests": 2},
        {"asked": ["night_desk", "manager"], "outcome": "expired", "escalated": ["night_desk"], "requests": 1},
    ]


def an_approval(order_id: OrderId, status: str, *asked: str, escalated: tuple[str, ...] = ()) -> SeenApproval:
    outcome = ApprovalStatus(status)
    return SeenApproval(id="7", order_id=order_id, status=outcome, asked=asked, escalated=escalated)


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


def test_a_terminal_shows_orders_by_status_money_and_what_is_waited_for(tmp_path: Path) -> None:
    out = io.StringIO()
    board = board_of(tmp_path, *(a_line(f"R-{n}") for n in range(3)))
    done, way, new = place_all(board)
    board.saw(seen(done, OrderStatus.DELIVERED))
    board.saw(seen(new, OrderStatus.PROCESSING))
    board.saw(seen(way, OrderStatus.SHIPPED))

    with following(Console(file=out, width=100, force_terminal=True, color_system=None)) as show:
        show(board)

    screen = out.getvalue()
    assert "1 of 3 orders are done" in screen
    assert re.search(r"shipped +1 ", screen)
    assert re.search(r"297\.00 EUR +0\.00 EUR +297\.00 EUR", screen)
    assert "waiting for: the carrier 1 · the providers 1" in screen


def test_the_last_complaints_of_every_process_are_shown(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    bad = [json.dumps({"level": "error", "event": f"failed_{n}"}) for n in range(5)]
    (logs / "api.log").write_text("\n".join(["plain", '{"level": "info", "event": "fine"}', *bad]))
    warning = json.dumps({"level": "warning", "event": "api died"})
    (logs / "stack.log").write_text(warning)
    (logs / "temporal.log").write_text(warning)

    assert troubles(tmp_path) == [*(f"api: {line}" for line in bad[-3:]), f"stack: {warning}"]
