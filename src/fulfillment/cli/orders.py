"""
`fulfillment orders`: place orders and see what becomes of them, over the API like any other client.
"""

import time
from typing import Annotated

import typer
from rich.table import Table

from fulfillment.cli import attention, order_changes, recovery
from fulfillment.cli.http import (
    ApiUrl,
    AsJson,
    checked,
    console,
    items,
    money,
    print_json,
    service,
)
from fulfillment.cli.order_views import OrderArgument, coloured, order_path, print_event, print_order
from fulfillment.cli.placing import place
from fulfillment.domain.orders import OrderStatus

_LOOK_EVERY_SECONDS = 0.5
_ROLE = "shop"

app = typer.Typer(help="Place orders and see what becomes of them.", no_args_is_help=True)


app.command()(place)


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
