"""
`fulfillment approvals list|show`: what waits for people, and what they have said.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from uuid import UUID

import httpx2
import typer
from rich.table import Column, Table
from rich.text import Text

from fulfillment.cli.durations import end
from fulfillment.cli.http import (
    ApiUrl,
    AsCaller,
    AsJson,
    Json,
    checked,
    console,
    fail,
    items,
    money,
    print_json,
    service,
)
from fulfillment.cli.order_views import age, coloured, due, minute, print_event
from fulfillment.domain.approvals import ApprovalStatus, LevelStatus

APPROVER = "approver_manager"
"""Whose key of a local stack decides, unless another one is named."""

ApprovalArgument = Annotated[
    UUID, typer.Argument(metavar="ID", help="Id of the approval; that of an order stands for its newest approval.")
]


def list_approvals(
    role: Annotated[str | None, typer.Option(help="Only those that wait for this role.")] = None,
    status: Annotated[ApprovalStatus | None, typer.Option(help="Only those in this status; else: pending.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are closed, too.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only what you can decide now.")] = False,
    due_before: Annotated[
        datetime | None,
        typer.Option(
            parser=end, metavar="TIME", help="Only what is due within 24h or 3d, or before 2027-01-31 begins (UTC)."
        ),
    ] = None,
    order: Annotated[UUID | None, typer.Option(help="Only those of this order.", metavar="ID")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the oldest first.")] = 50,
    caller: AsCaller = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    List what waits for an approval, oldest first.
    """
    wanted = status or (None if every or order else ApprovalStatus.PENDING)
    filters = {
        "role": role,
        "status": wanted,
        "mine": "true" if mine else None,
        "due_before": due_before.isoformat() if due_before else None,
        "order_id": str(order) if order else None,
    }
    with service(api, APPROVER, caller) as client:
        found = list(items(client, "/v1/approvals", limit=limit, **filters))
    if as_json:
        print_json({"items": found})
    elif not found:
        typer.echo("Nothing waits for you." if mine else "Nothing is found.")
    else:
        console().print(table_of(found))


def show(approval_id: ApprovalArgument, caller: AsCaller = None, api: ApiUrl = None, as_json: AsJson = False) -> None:
    """
    Show an approval: its levels, what people said, and its part of the order's timeline.
    """
    with service(api, APPROVER, caller) as client:
        found = approval(client, approval_id)
    if as_json:
        print_json(found)
    else:
        _print(found)


def approval_path(approval_id: UUID | str) -> str:
    """Where an approval is."""
    return f"/v1/approvals/{approval_id}"


def approval(client: httpx2.Client, wanted: UUID) -> Json:
    """The approval of this id, else the newest one of the order of this id; ends the command without either."""
    answer = client.get(approval_path(wanted))
    if answer.status_code == httpx2.codes.NOT_FOUND:
        of_order = list(items(client, "/v1/approvals", order_id=str(wanted)))
        if not of_order:
            fail(f"There is no approval {wanted}, and no order {wanted} that needed one.")
        answer = client.get(approval_path(max(of_order, key=lambda one: int(one["n"]))["id"]))
    document: Json = checked(answer).json()
    return document


def table_of(found: Iterable[Json]) -> Table:
    """Approvals, a line each on a terminal of 80 columns."""
    # What is cut off is of no use: ids and totals have room on every terminal, and `show` names the order.
    whole = (Column(name, no_wrap=True) for name in ("approval", "total"))
    table = Table(*whole, "waiting for", Column("due", no_wrap=True))
    for one in found:
        is_open = one["status"] == ApprovalStatus.PENDING
        table.add_row(
            one["id"],
            money(one["total"]),
            _waits_for(one["levels"]) if is_open else coloured(one["status"]),
            due(one["due_at"]) if is_open else "",
        )
    return table


def _waits_for(levels: Iterable[Json]) -> str:
    """Who decides at the levels that are open, and how many of how many have said yes: `manager or director 1/2`."""
    is_open = (one for one in levels if one["status"] == LevelStatus.OPEN)
    return ", ".join(f"{' or '.join(one['roles'])} {one['votes']}/{one['quorum']}" for one in is_open)


def _print(found: Json) -> None:
    out = console()
    out.print(_facts(found), _levels(found["levels"]))
    if found["votes"]:
        out.print(_said(found["votes"]))
    for event in found["events"]:
        print_event(event, as_json=False)
    if found["status"] == ApprovalStatus.PENDING:
        out.print(f"Decide: fulfillment approvals approve {found['id']} (or reject, abstain)")


def _facts(found: Json) -> Table:
    facts = Table(show_header=False, box=None)
    facts.add_row("approval", found["id"])
    facts.add_row("order", f"{found['order_id']}  (its request {found['n']})")
    facts.add_row("status", coloured(found["status"]))
    facts.add_row("total", money(found["total"]))
    facts.add_row("customer", found["customer_id"])
    if found["requested_by"]:
        facts.add_row("requested by", found["requested_by"])
    facts.add_row("asked", f"{age(found['requested_at'])} ago, policy {found['policy']}, {found['mode']}")
    if found["status"] == ApprovalStatus.PENDING:
        facts.add_row("waits for", " or ".join(found["waiting_for"]))
        facts.add_row("due", Text.assemble(due(found["due_at"]), ", ends at the latest ", due(found["expires_at"])))
    points = ", ".join(f"{rule} {number}" for rule, number in found["risk"]["points"].items())
    facts.add_row("risk", f"{found['risk']['score']}{f': {points}' if points else ''}")
    return facts


def _levels(levels: Iterable[Json]) -> Table:
    table = Table("level", "who decides", "status", "votes", "why", "asked")
    for one in levels:
        table.add_row(
            one["level"],
            " or ".join(one["roles"]),
            coloured(one["status"]),
            f"{one['votes']}/{one['quorum']}",
            ", ".join(one["reasons"]),
            f"{age(one['opened_at'])} ago" if one["opened_at"] else "",
        )
    return table


def _said(votes: Iterable[Json]) -> Table:
    people = (Column(name, overflow="fold") for name in ("by", "on behalf of"))
    table = Table("at", "level", "decision", *people, "state", "comment")
    for vote in votes:
        table.add_row(
            minute(vote["at"]),
            vote["level"] or "",
            coloured(vote["decision"]),
            vote["actor"],
            vote["on_behalf_of"] or "",
            vote["state"],
            vote["comment"] or "",
        )
    return table
