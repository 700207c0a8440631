"""
`fulfillment orders recover`: orders whose workflow is gone.
"""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID, uuid4

import typer
from rich.table import Table

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
from fulfillment.cli.order_views import OrderArgument, order_path

_ROLE = "operator"


def recover(
    order_id: OrderArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Undo what happened instead of going on.")] = False,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the order.")] = "its workflow is gone",
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Take over an order whose workflow is gone: ask the providers what they did, then go on from there.
    """
    path = order_path(order_id)
    with service(api, _ROLE) as client:
        before = checked(client.get(path)).json()
        operations = [] if before["version"] == 0 else list(items(client, f"{path}/operations"))
        response = persistent(client, "POST", f"{path}/recover", {"reason": reason, "undo": undo}, key=str(uuid4()))
        order = accepted(response, _hints(order_id))
    if as_json:
        print_json(order)
    elif response.status_code == 200:
        typer.echo(f"Order {order['id']} is {order['status']}: it has ended, and nothing was done.")
    else:
        _print(before, operations, undo=undo)


def _print(order: Json, operations: Sequence[Json], *, undo: bool) -> None:
    typer.echo(f"Found: {_found(order)}")
    if operations:
        table = Table("asked of", "operation", "state", "called")
        for operation in operations:
            name = operation["key"].partition(":")[2]
            table.add_row(operation["provider"], name, operation["state"], operation["provider_reference"] or "")
        console().print(table)
    end = "what happened is undone, unless the parcel has left" if undo else "it goes on from there"
    typer.echo(f"Done: a new workflow takes it over. It asks the providers what they did for the order; then {end}.")
    typer.echo("Look at next:")
    typer.echo(f"  fulfillment orders watch {order['id']}")
    typer.echo(f"  fulfillment orders actions {order['id']}    (what it asks, if it needs attention)")


def _found(order: Json) -> str:
    if order["version"] == 0:
        return f"order {order['id']} was accepted, but has no row; it is written again."
    asked = f" ({order['attention']['reason']})" if order["attention"] else ""
    return f"order {order['id']} is {order['status']}{asked}, and no workflow runs it."


def _hints(order_id: UUID) -> dict[str, str]:
    show = f"fulfillment orders show {order_id}"
    return {
        "order_is_running": f"Nothing was done; it is looked after. See where it stands: {show}",
        "unavailable": f"It may have been taken over all the same: {show}. Repeating the command is safe.",
    }
