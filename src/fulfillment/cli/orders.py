"""
`fulfillment orders`: place orders and see what becomes of them, over the API like any other client.
"""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

import httpx2
import typer
from rich.table import Table

from fulfillment.cli import attention, order_changes, recovery
from fulfillment.cli.http import (
    KEY_VARIABLE,
    ApiUrl,
    AsJson,
    Json,
    Refused,
    checked,
    console,
    fail,
    items,
    money,
    persistent,
    print_json,
    service,
)
from fulfillment.cli.order_file import BadLine, FileOrder, parse
from fulfillment.cli.order_views import OrderArgument, coloured, order_path, print_event, print_order
from fulfillment.domain.orders import OrderStatus

_CONCURRENCY = 8
_MOST_ROWS = 50
_LOOK_EVERY_SECONDS = 0.5
_ROLE = "shop"

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
    refused = {one.answer.get("code") for one in sent if one.outcome == "refused"}
    if "forbidden" in refused:
        typer.echo(f"Set {KEY_VARIABLE} to a key with the missing scope, and send the file again.", err=True)
    if refused:
        raise typer.Exit(1)


@app.command()
def show(order_id: OrderArgument, api: ApiUrl = None, as_json: AsJson = False) -> None:
    """
    Show an order and its timeline.
    """
    with service(api, _ROLE) as client:
        order = checked(client.get(order_path(order_id))).json()
        events = [] if as_json else list(items(client, f"{order_path(order_id)}/events"))
    if as_json:
        print_json(order)
    else:
        print_order(order, events)


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
            coloured(order["status"]),
            money(order["total"]),
            (order["failure"] or {}).get("code", ""),
        )
    console().print(table)


@app.command()
def watch(order_id: OrderArgument, api: ApiUrl = None, as_json: AsJson = False) -> None:
    """
    Print what happens to an order until nothing more will; JSON is one event a line.
    """
    seen = 0
    with service(api, _ROLE) as client:
        while True:
            status = OrderStatus(checked(client.get(order_path(order_id))).json()["status"])
            for event in items(client, f"{order_path(order_id)}/events"):
                if event["sequence"] > seen:
                    seen = event["sequence"]
                    print_event(event, as_json=as_json)
            if status.is_final:
                return
            time.sleep(_LOOK_EVERY_SECONDS)


for command in (
    order_changes.cancel,
    order_changes.pay,
    order_changes.amend,
    order_changes.readdress,
    attention.actions,
    attention.attention,
    recovery.recover,
):
    app.command()(command)


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
    response = persistent(client, "POST", "/v1/orders", order.body, key=order.key)
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        raise Refused(response)  # and so would all others be
    if not response.is_success:
        return Sent(order, "refused", Refused(response).problem or {"code": str(response.status_code)})
    before = response.headers.get("Idempotency-Replayed") == "true"
    return Sent(order, "placed before" if before else "placed", response.json())


def _print_sent(sent: Sequence[Sent]) -> None:
    rows = sent if len(sent) <= _MOST_ROWS else [one for one in sent if one.outcome == "refused"]
    if rows:
        table = Table("line", "reference", "outcome", "order", "total")
        for one in rows:
            refused = one.outcome == "refused"
            table.add_row(
                str(one.order.number),
                one.order.body.get("reference") or "",
                coloured(one.outcome),
                f"{one.answer.get('code')}: {one.answer.get('detail', '')}" if refused else one.answer["id"],
                "" if refused else money(one.answer["total"]),
            )
        console().print(table)
    counts = Counter(one.outcome for one in sent)
    console().print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "no orders")
