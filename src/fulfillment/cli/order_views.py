"""
How orders look on a terminal.
"""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table
from rich.text import Text

from fulfillment.cli.http import Json, console, money

OrderArgument = Annotated[
    UUID, typer.Argument(metavar="ID", help="Id of the order, as `orders place` and `orders list` show it.")
]

_COLOURS = {
    "delivered": "green",
    "shipped": "cyan",
    "cancelling": "yellow",
    "rejected": "red",
    "cancelled": "red",
    "returned": "red",
    "needs_attention": "bold yellow",
    "placed": "green",
    "placed before": "cyan",
    "refused": "red",
    "bad line": "red",
    "pending": "yellow",
    "open": "yellow",
    "approved": "green",
    "approve": "green",
    "reject": "red",
    "expired": "red",
}
_UNITS = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))
_SOON = timedelta(hours=4)
_NEWS = {
    "payment.disputed": "the customer asks their bank for the money back",
    "payment.capture_failed": "money that was taken does not arrive",
    "payment.authorization_expired": "the money is not set aside any more",
}


def order_path(order_id: UUID) -> str:
    """Where an order is."""
    return f"/v1/orders/{order_id}"


def coloured(word: str) -> Text:
    """A word that says how something stands."""
    return Text(word, _COLOURS.get(word, ""))


def age(since: str) -> str:
    """How long ago that was, in its largest unit."""
    return _span(datetime.now(UTC) - datetime.fromisoformat(since))


def minute(time: str) -> str:
    """To the minute, in UTC as all times of the service."""
    return f"{time[:10]} {time[11:16]}"


def due(at: str | None) -> Text:
    """How long there is left: red once it is too late, yellow when it is soon."""
    if at is None:
        return Text("no date", "red")
    left = datetime.fromisoformat(at) - datetime.now(UTC)
    if left < timedelta(0):
        return Text(f"{_span(-left)} overdue", "bold red")
    return Text(f"in {_span(left)}", "yellow" if left < _SOON else "")


def print_order(order: Json, events: Sequence[Json]) -> None:
    """An order, what it asks, its lines and its timeline."""
    facts = Table(show_header=False, box=None)
    facts.add_row("order", order["id"])
    facts.add_row("customer", f"{order['customer_id']}  {order['reference'] or ''}")
    facts.add_row("status", coloured(order["status"]))
    if order["failure"]:
        facts.add_row("failure", f"{order['failure']['code']}: {order['failure']['message']}")
    if approval := order["approval"]:
        facts.add_row("approval", _approval(approval))
    facts.add_row("payment", f"{order['payment']['status']}, total {money(order['total'])}")
    if action := order["payment"]["next_action"]:
        facts.add_row("next", f"the customer has to act before the card can be used ({action['type']}):")
        facts.add_row("", Text(action["url"], overflow="fold"))
    for parcel in order["shipments"]:
        facts.add_row("parcel", f"{parcel['carrier']} {parcel['tracking_number']}: {parcel['status']}")
    lines = Table("article", "name", "pieces", "price")
    for line in order["lines"]:
        lines.add_row(line["sku"], line["name"], str(line["quantity"]), money(line["unit_price"]))
    console().print(facts, lines)
    for event in events:
        print_event(event, as_json=False)
    if order["actions"]:
        _print_news(events)
    print_question(order)


def _approval(approval: Json) -> Text:
    """What an order waits for, since when and until when, or what became of it."""
    told = Text.assemble(coloured(approval["status"]))
    if approval["status"] == "pending":
        roles = " or ".join(approval["waiting_for"])
        told.append_text(
            Text.assemble(f": waits for {roles} since {age(approval['since'])}, due ", due(approval["due_at"]))
        )
    return told.append(f"  (fulfillment approvals show {approval['id']})")


def _print_news(events: Sequence[Json]) -> None:
    """What payment providers said that nobody has answered yet."""
    answered = max((event["sequence"] for event in events if event["kind"] == "attention_resolved"), default=0)
    for event in events:
        said = event["data"]
        if event["kind"] == "attention_needed" and event["sequence"] > answered and said.get("type") in _NEWS:
            console().print(f"Payment {said['payment']} at {said['provider']}: {_NEWS[said['type']]}.")


def print_question(order: Json) -> None:
    """What an order asks, and the command of each answer; nothing when it asks nothing."""
    attention = order["attention"]
    if attention:
        about = f" ({attention['operation']})" if attention["operation"] else ""
        asked = f"Needs attention since {age(attention['since'])}: {attention['reason']}{about}, answer due "
        console().print(Text.assemble(asked, due(attention["due_at"])))
        if attention["resume_status"]:
            console().print(f"It goes on as {attention['resume_status']} unless the answer ends it.")
    for action in order["actions"]:
        console().print(f"  fulfillment orders actions {order['id']} {action['name']} --reason '...'")


def print_event(event: Json, *, as_json: bool) -> None:
    """One line of a timeline."""
    if as_json:
        sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    else:
        console().print(f"{event['at'][:19]}  {event['sequence']:>3}  {event['kind']:<22}  {event['actor']}")


def _span(span: timedelta) -> str:
    for unit, name in _UNITS:
        if span >= unit:
            return f"{span // unit} {name}"
    return f"{int(span.total_seconds())} s"
