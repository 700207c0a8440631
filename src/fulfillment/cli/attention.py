"""
`fulfillment orders attention|actions`: what waits for an operator, and the answers.
"""

from typing import Annotated
from uuid import UUID, uuid4

import typer
from rich.table import Table
from rich.text import Text

from fulfillment.cli.http import (
    ApiUrl,
    AsJson,
    Json,
    accepted,
    checked,
    console,
    items,
    persistent,
    print_json,
    service,
)
from fulfillment.cli.order_views import OrderArgument, age, due, order_path, print_question
from fulfillment.domain.attention import Action
from fulfillment.domain.orders import AttentionReason

_ROLE = "operator"


def actions(
    order_id: OrderArgument,
    name: Annotated[Action | None, typer.Argument(metavar="NAME", help="Without it the choices are listed.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; it is kept with the order.")] = None,
    provider_reference: Annotated[
        str | None,
        typer.Option(
            help="With it_happened: what the provider calls the authorisation or the parcel. With carrier_has_it: the "
            "tracking number of a parcel that is not known here."
        ),
    ] = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    List what an order asks an operator, or answer it.
    """
    if name is None:
        _list(order_id, api, as_json=as_json)
        return
    if reason is None:
        raise typer.BadParameter("say why: the answer is kept with the order", param_hint="--reason")
    body: Json = {"reason": reason}
    if provider_reference is not None:
        body["provider_reference"] = provider_reference
    order = _answer(order_id, name, body, api)
    if as_json:
        print_json(order)
        return
    typer.echo(f"{name}: written down; order {order['id']} is {order['status']}. Follow it:")
    typer.echo(f"  fulfillment orders watch {order['id']}")


def attention(
    reason: Annotated[AttentionReason | None, typer.Option(help="Only orders that wait for this reason.")] = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    List what waits for an operator, oldest first.
    """
    with service(api, _ROLE) as client:
        entries = list(items(client, "/v1/attention", reason=reason))
    if as_json:
        print_json({"items": entries})
    elif not entries:
        typer.echo("Nothing needs attention.")
    else:
        _print(entries)


def _list(order_id: UUID, url: str | None, *, as_json: bool) -> None:
    with service(url, _ROLE) as client:
        order = checked(client.get(order_path(order_id))).json()
    if as_json:
        print_json({"items": order["actions"]})
    elif order["actions"]:
        print_question(order)
    else:
        typer.echo(f"Order {order['id']} asks nothing: it is {order['status']}.")


def _answer(order_id: UUID, name: Action, body: Json, url: str | None) -> Json:
    list_them = f"fulfillment orders actions {order_id}"
    hints = {
        "action_not_available": f"See what can be chosen now: {list_them}",
        "stock_short": "The question stays. Count the article (fulfillment stock set), or choose another answer.",
        "unavailable": f"It may be answered all the same. See whether the question is still there: {list_them}",
    }
    with service(url, _ROLE) as client:
        path = f"{order_path(order_id)}/actions/{name}"
        return accepted(persistent(client, "POST", path, body, key=str(uuid4())), hints)


def _print(entries: list[Json]) -> None:
    table = Table("order", "reason", "age", "due", "goes on as", "about", "actions")
    for entry in entries:
        table.add_row(
            entry["order_id"],
            Text(entry["reason"], "bold yellow"),
            age(entry["since"]),
            due(entry["due_at"]),
            entry["resume_status"] or "",
            _about(entry),
            " ".join(action["name"] for action in entry["actions"]),
        )
    console().print(table)
    typer.echo("Choose one: fulfillment orders actions ORDER NAME --reason '...'")


def _about(entry: Json) -> str:
    """The step without the order's id, which stands beside it; what a payment provider said is on the timeline."""
    if entry["reason"] == AttentionReason.PROVIDER_DISPUTE:
        return "money disputed, failed or not set aside any more: orders show"
    operation: str = entry["operation"] or ""
    return operation.partition(":")[2]
