"""
`fulfillment orders`: place orders and see what becomes of them, over the API like any other client.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

import httpx2
import typer
from rich.table import Table
from rich.text import Text

from fulfillment.cli.http import (
    ApiUrl,
    AsJson,
    Json,
    Refused,
    checked,
    console,
    fail,
    items,
    money,
    print_json,
    service,
)
from fulfillment.cli.order_file import BadLine, FileOrder, parse
from fulfillment.domain.orders import OrderStatus

_CONCURRENCY = 8
_LONGEST_PAUSE_SECONDS = 10.0
_MOST_ROWS = 50
_LOOK_EVERY_SECONDS = 0.5
_ROLE = "shop"

_COLOURS = {
    "delivered": "green",
    "shipped": "cyan",
    "rejected": "red",
    "cancelled": "red",
    "returned": "red",
    "needs_attention": "bold yellow",
    "placed": "green",
    "placed before": "cyan",
    "refused": "red",
}

app = typer.Typer(help="Place orders and see what becomes of them.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Sent:
    """What the service said to one line of a file."""

    order: FileOrder
    outcome: str
    answer: Json

    def as_json(self) -> Json:
        return {
            "line": self.order.number,
            "outcome": self.outcome.replace(" ", "_"),
            "reference": self.order.body.get("reference"),
            "id": self.answer.get("id"),
            "code": self.answer.get("code"),
            "detail": self.answer.get("detail"),
        }


@app.command()
def place(
    file: Annotated[typer.FileText, typer.Argument(help="JSON Lines, an order each; `-` reads standard input.")],
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Place the orders of a file. Doing it again places nothing twice.
    """
    orders = _read(file)
    with service(api, _ROLE) as client, ThreadPoolExecutor(_CONCURRENCY) as pool:
        sent = list(pool.map(lambda order: _send(client, order), orders))
    if as_json:
        print_json({"items": [one.as_json() for one in sent]})
    else:
        _print_sent(sent)
    if any(one.outcome == "refused" for one in sent):
        raise typer.Exit(1)


@app.command()
def show(order_id: Annotated[str, typer.Argument(metavar="ID")], api: ApiUrl = None, as_json: AsJson = False) -> None:
    """
    Show an order and its timeline.
    """
    with service(api, _ROLE) as client:
        order = checked(client.get(_path(order_id))).json()
        events = [] if as_json else list(items(client, f"{_path(order_id)}/events"))
    if as_json:
        print_json(order)
    else:
        _print_order(order, events)


@app.command(name="list")
def list_orders(
    status: Annotated[OrderStatus | None, typer.Option(help="Only orders in this status.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only orders of this customer.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 50,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    List orders, the newest first.
    """
    with service(api, _ROLE) as client:
        orders = list(items(client, "/v1/orders", limit=limit, status=status, customer_id=customer))
    if as_json:
        print_json({"items": orders})
        return
    table = Table("accepted", "order", "customer", "reference", "status", "total", "failure")
    for order in orders:
        table.add_row(
            order["accepted_at"][:19],
            order["id"],
            order["customer_id"],
            order["reference"] or "",
            _coloured(order["status"]),
            money(order["total"]),
            (order["failure"] or {}).get("code", ""),
        )
    console().print(table)


@app.command()
def watch(order_id: Annotated[str, typer.Argument(metavar="ID")], api: ApiUrl = None, as_json: AsJson = False) -> None:
    """
    Print what happens to an order until nothing more will; JSON is one event a line.
    """
    seen = 0
    with service(api, _ROLE) as client:
        while True:
            status = OrderStatus(checked(client.get(_path(order_id))).json()["status"])
            for event in items(client, f"{_path(order_id)}/events"):
                if event["sequence"] > seen:
                    seen = event["sequence"]
                    _print_event(event, as_json=as_json)
            if status.is_final:
                return
            time.sleep(_LOOK_EVERY_SECONDS)


def _path(order_id: str) -> str:
    return f"/v1/orders/{quote(order_id, safe='')}"


def _read(file: typer.FileText) -> Sequence[FileOrder]:
    try:
        orders = parse(file)
    except (BadLine, UnicodeDecodeError) as error:
        fail(f"{file.name}: {error}")
    extra = sorted(set[str]().union(*(order.extra for order in orders)))
    if extra:
        typer.echo(f"Not part of an order, kept as metadata: {', '.join(extra)}", err=True)
    return orders


def _send(client: httpx2.Client, order: FileOrder) -> Sent:
    response = _post(client, order)
    if not response.is_success:
        return Sent(order, "refused", Refused(response).problem or {"code": str(response.status_code)})
    before = response.headers.get("Idempotency-Replayed") == "true"
    return Sent(order, "placed before" if before else "placed", response.json())


def _post(client: httpx2.Client, order: FileOrder, attempts: int = 5) -> httpx2.Response:
    """The key makes it safe to try again whenever the service asks for it."""
    response = client.post("/v1/orders", json=order.body, headers={"Idempotency-Key": order.key})
    pause = response.headers.get("Retry-After", "")
    if not pause.isdecimal() or attempts == 1:
        return response
    time.sleep(min(int(pause), _LONGEST_PAUSE_SECONDS))
    return _post(client, order, attempts - 1)


def _print_sent(sent: Sequence[Sent]) -> None:
    rows = sent if len(sent) <= _MOST_ROWS else [one for one in sent if one.outcome == "refused"]
    if rows:
        table = Table("line", "reference", "outcome", "order", "total")
        for one in rows:
            refused = one.outcome == "refused"
            table.add_row(
                str(one.order.number),
                one.order.body.get("reference") or "",
                _coloured(one.outcome),
                f"{one.answer.get('code')}: {one.answer.get('detail', '')}" if refused else one.answer["id"],
                "" if refused else money(one.answer["total"]),
            )
        console().print(table)
    counts = Counter(one.outcome for one in sent)
    console().print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "no orders")


def _print_order(order: Json, events: Sequence[Json]) -> None:
    facts = Table(show_header=False, box=None)
    facts.add_row("order", order["id"])
    facts.add_row("customer", f"{order['customer_id']}  {order['reference'] or ''}")
    facts.add_row("status", _coloured(order["status"]))
    if order["failure"]:
        facts.add_row("failure", f"{order['failure']['code']}: {order['failure']['message']}")
    facts.add_row("payment", f"{order['payment']['status']}, total {money(order['total'])}")
    for parcel in order["shipments"]:
        facts.add_row("parcel", f"{parcel['carrier']} {parcel['tracking_number']}: {parcel['status']}")
    lines = Table("article", "name", "pieces", "price")
    for line in order["lines"]:
        lines.add_row(line["sku"], line["name"], str(line["quantity"]), money(line["unit_price"]))
    console().print(facts, lines)
    for event in events:
        _print_event(event, as_json=False)


def _print_event(event: Json, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    else:
        console().print(f"{event['at'][:19]}  {event['sequence']:>3}  {event['kind']}")


def _coloured(word: str) -> Text:
    return Text(word, _COLOURS.get(word, ""))
