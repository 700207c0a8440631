"""
The end of a demo, for people and for programs.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fulfillment.domain.money import Money
from fulfillment.domain.orders import PaymentStatus
from fulfillment.invariants import Check
from fulfillment.local.demo.approvals import SeenApproval
from fulfillment.local.demo.coverage import Coverage
from fulfillment.local.demo.figures import Figures
from fulfillment.local.demo.progress import Board, Progress, Purse
from fulfillment.local.demo.story import story

_MOST_ROWS = 80
_MOST_DISAPPOINTMENTS = 20
STYLES = {
    "delivered": "green",
    "shipped": "cyan",
    "awaiting_shipment": "blue",
    "rejected": "yellow",
    "cancelled": "yellow",
    "returned": "yellow",
    "refused": "red",
    "needs_attention": "red",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of the orders, and whether the books are in order."""

    board: Board
    checks: Sequence[Check]
    figures: Figures

    @property
    def is_good(self) -> bool:
        """Every expectation and every invariant holds."""
        return not self.board.disappointments and not any(check.violations for check in self.checks)

    def print(self, console: Console) -> None:
        """Tables, figures, and what differs."""
        orders = [_orders(self.board)] if len(self.board.all) <= _MOST_ROWS else []
        for table in (
            *orders,
            _totals(self.board),
            _approvals(self.board),
            money(self.board),
            _invariants(self.checks),
        ):
            console.print(table, "", sep="\n")
        for line in self._figures():
            console.print(line)
        for line in _shortened(self.board.disappointments):
            console.print(Text(line, style="red"))
        verdict = "Everything is as expected." if self.is_good else "Something is not as expected."
        console.print(Text(verdict, style="bold green" if self.is_good else "bold red"))

    def as_json(self) -> dict[str, Any]:
        """The same as one JSON object; amounts in minor units."""
        ready = self.figures.paid_and_booked
        return {
            "ok": self.is_good,
            "orders": [_as_json(progress) for progress in self.board.all],
            "by_status": dict(self.board.by_state),
            "approvals": [
                {"asked": list(asked), "outcome": outcome, "escalated": list(late), "requests": count}
                for (asked, outcome, late), count in _outcomes(self.board)
            ],
            "decisions": self.board.decisions,
            "captured": [_amount(captured) for captured in self.board.captured],
            "money": [_purse(purse) for purse in self.board.money],
            "coverage": Coverage.of(self.board).as_json(),
            "differences": self.board.disappointments,
            "invariants": [
                {"name": check.name, "violations": check.violations, "examples": list(check.examples)}
                for check in self.checks
            ],
            "figures": {
                "orders": self.figures.orders,
                "seconds": round(self.figures.seconds, 3),
                "orders_per_second": round(self.figures.orders_per_second, 2),
                "paid_and_booked_seconds": {"p50": round(ready[0], 3), "p95": round(ready[1], 3)} if ready else None,
            },
        }

    def _figures(self) -> Iterator[str]:
        figures = self.figures
        yield (
            f"{figures.orders} orders accepted and brought to their ends in {figures.seconds:.1f} s:"
            f" {figures.orders_per_second:.1f} orders/s"
        )
        yield f"seen on the way: {Coverage.of(self.board)}"
        if figures.paid_and_booked:
            median, slow = figures.paid_and_booked
            yield f"from acceptance to paid and booked: p50 {median:.2f} s, p95 {slow:.2f} s"


def _orders(board: Board) -> Table:
    table = _table()
    table.add_column("order", no_wrap=True)
    table.add_column("story", min_width=20)
    table.add_column("status", no_wrap=True)
    table.add_column("why; what an operator did", min_width=20)
    for column in ("total", "kept", "s"):
        table.add_column(column, justify="right", no_wrap=True)
    asked = {board.of(approval.order_id): approval for approval in board.approvals}
    for progress in board.all:
        order = progress.order
        table.add_row(
            printable(order.name),
            printable(story(order)),
            status(progress.state),
            _why(progress, asked.get(progress)),
            str(order.total),
            _kept(progress),
            "" if progress.seconds is None else f"{progress.seconds:.1f}",
        )
    return table


def _why(progress: Progress, approval: SeenApproval | None) -> Text:
    """Why it failed or was refused, who was asked to approve it, and a line for each question to operators."""
    asked = progress.script.asked
    code = [progress.code] if progress.code and progress.code not in asked else []
    questions = [f"{reason}: {', '.join(answers) or 'open'}" for reason, answers in asked.items()]
    people = [f"{' + '.join(approval.asked)}: {approval.status}"] if approval else []
    return Text("\n".join([*code, *people, *questions]))


def _kept(progress: Progress) -> str:
    """What stays with the shop, without its currency; else what became of the money."""
    seen = progress.seen
    if seen is None or seen.payment == PaymentStatus.NONE:
        return "-"
    if seen.payment != PaymentStatus.CAPTURED:
        return seen.payment
    return str(Money(seen.captured.amount - seen.refunded.amount, seen.captured.currency)).partition(" ")[0]


def _totals(board: Board) -> Table:
    table = _table()
    table.add_column("status")
    table.add_column("code")
    table.add_column("orders", justify="right")
    for (state, code), count in sorted(Counter((item.state, item.code or "") for item in board.all).items()):
        table.add_row(status(state), code, str(count))
    table.add_section()
    table.add_row("all", "", str(len(board.all)))
    return table


def _outcomes(board: Board) -> list[tuple[tuple[tuple[str, ...], str, tuple[str, ...]], int]]:
    """How many requests of each kind ended how: the levels asked, the outcome, and those that were late."""
    kinds = Counter((seen.asked, str(seen.status), seen.escalated) for seen in board.approvals)
    return sorted(kinds.items())


def _approvals(board: Board) -> Table:
    table = _table()
    table.add_column("approval asked of")
    table.add_column("outcome")
    table.add_column("nobody in time")
    table.add_column("requests", justify="right")
    for (asked, outcome, late), count in _outcomes(board):
        table.add_row(" + ".join(asked), outcome, " + ".join(late), str(count))
    table.add_section()
    table.add_row(f"all; {board.decisions} times somebody decided", "", "", str(len(board.approvals)))
    return table


def money(board: Board) -> Table:
    """What has become of the money, per currency."""
    table = _table()
    for column in ("ordered", "set aside", "captured", "refunded", "kept"):
        table.add_column(column, justify="right")
    for purse in board.money:
        table.add_row(*map(str, (purse.ordered, purse.set_aside, purse.captured, purse.refunded, purse.kept)))
    return table


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)


def _invariants(checks: Sequence[Check]) -> Table:
    table = _table()
    table.add_column("")
    table.add_column("invariant, by database, Temporal and the provider's ledger")
    table.add_column("violations", justify="right")
    table.add_column("for instance")
    for check in checks:
        style = "red" if check.violations else "green"
        examples = Text("\n".join(check.examples))
        table.add_row(check.name, check.claim, Text(str(check.violations), style=style), examples)
    return table


def status(state: str) -> Text:
    """A status in its colour."""
    return Text(state, style=STYLES.get(state, ""))


def printable(text: str) -> Text:
    """A text from the file, with nothing in it that a terminal would act on."""
    return Text("".join(character if character.isprintable() else "?" for character in text))


def _shortened(lines: Sequence[str]) -> list[str]:
    shown = [printable(line).plain for line in lines[:_MOST_DISAPPOINTMENTS]]
    if len(lines) > len(shown):
        shown.append(f"and {len(lines) - len(shown)} more")
    return shown


def _amount(amount: Money) -> dict[str, Any]:
    return {"amount": amount.amount, "currency": amount.currency}


def _purse(purse: Purse) -> dict[str, Any]:
    return {
        "currency": purse.ordered.currency,
        "ordered": purse.ordered.amount,
        "set_aside": purse.set_aside.amount,
        "captured": purse.captured.amount,
        "refunded": purse.refunded.amount,
        "kept": purse.kept.amount,
    }


def _as_json(progress: Progress) -> dict[str, Any]:
    order, seen = progress.order, progress.seen
    return {
        "line": order.line,
        "id": str(seen.id) if seen else None,
        "reference": order.body.get("reference"),
        "customer_id": order.body["customer_id"],
        "story": story(order),
        "total": _amount(order.total),
        "status": progress.state,
        "code": progress.code,
        "asked": progress.script.asked,
        "payment": seen.payment if seen else None,
        "carrier": seen.carrier if seen else None,
        "tracking_number": seen.tracking_number if seen else None,
        "seconds": progress.seconds,
    }
