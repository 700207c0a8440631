"""
`fulfillment orders cancel|pay|amend|readdress`: what customers change about their orders.
"""

import json
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from fulfillment.cli.http import ApiUrl, AsJson, Json, accepted, fail, money, persistent, print_json, service
from fulfillment.cli.order_views import OrderArgument, order_path

_ROLE = "shop"
JsonFile = Annotated[typer.FileText, typer.Argument(help="A JSON document; `-` reads standard input.")]


def cancel(
    order_id: OrderArgument,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the order.")],
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Cancel an order: what happened so far is undone.
    """
    order = _changed(api, "POST", order_id, "cancel", {"reason": reason})
    if as_json:
        print_json(order)
    elif order["status"] == "cancelled":
        typer.echo(f"Order {order['id']} is cancelled.")
    else:
        typer.echo(f"Order {order['id']} is going to be cancelled; it is {order['status']} now. Follow it:")
        typer.echo(f"  fulfillment orders watch {order['id']}")


def pay(
    order_id: OrderArgument,
    token: Annotated[str, typer.Argument(help="What the payment provider calls the card.")],
    key: Annotated[str | None, typer.Option(help="Names the payment: the same key never charges twice.")] = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Give an order that waits for a payment a card.
    """
    body = {"method": "card", "token": token}
    order = _changed(api, "POST", order_id, "payment", body, key=key)
    if as_json:
        print_json(order)
        return
    typer.echo(f"Order {order['id']} has a card for {money(order['total'])}; it is {order['status']}. Follow it:")
    typer.echo(f"  fulfillment orders watch {order['id']}")


def amend(order_id: OrderArgument, file: JsonFile, api: ApiUrl = None, as_json: AsJson = False) -> None:
    """
    Replace all lines of an order that is not paid: a list of lines, or an object with `lines`.
    """
    read = _document(file)
    body = {"lines": read} if isinstance(read, list) else read
    order = _changed(api, "PUT", order_id, "lines", body)
    if as_json:
        print_json(order)
        return
    pieces = sum(line["quantity"] for line in order["lines"])
    typer.echo(f"Order {order['id']} has {pieces} pieces for {money(order['total'])}, and their stock is held.")


def readdress(order_id: OrderArgument, file: JsonFile, api: ApiUrl = None, as_json: AsJson = False) -> None:
    """
    Send an order somewhere else, until its parcel is booked: an address, or an object with `shipping_address`.
    """
    read = _document(file)
    body = read.get("shipping_address", read) if isinstance(read, dict) else read
    order = _changed(api, "PUT", order_id, "shipping-address", body)
    if as_json:
        print_json(order)
    else:
        typer.echo(f"Order {order['id']} goes to the new address in {order['shipping_address']['country']}.")


def _changed(url: str | None, method: str, order_id: UUID, change: str, body: Json, *, key: str | None = None) -> Json:
    key = key or str(uuid4())
    with service(url, _ROLE) as client:
        response = persistent(client, method, f"{order_path(order_id)}/{change}", body, key=key)
        return accepted(response, _hints(order_id, f" with --key {key}" if change == "payment" else ""))


def _hints(order_id: UUID, same: str) -> dict[str, str]:
    show = f"fulfillment orders show {order_id}"
    return {
        "order_not_cancellable": f"See what it is doing, and what an operator may choose: {show}",
        "order_not_amendable": f"Nothing was changed. See where it stands: {show}",
        "payment_not_awaited": f"Nothing was charged. See where it stands: {show}",
        "stock_short": "See what is available: fulfillment stock show",
        "unknown_sku": "See which articles there are: fulfillment stock show",
        "unavailable": f"It may happen all the same. Doing it again is safe: repeat the command{same}.",
    }


def _document(file: typer.FileText) -> Any:  # noqa: ANN401 - what it must be is for the service to say
    try:
        return json.load(file)
    except (ValueError, RecursionError):
        fail(f"{file.name} is not JSON; nothing was changed")
