"""
`fulfillment approvals delegate|delegations|undelegate`: who decides for whom, and for how long.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import httpx2
import typer
from rich.table import Column, Table
from rich.text import Text

from fulfillment.cli.approval_inbox import APPROVER
from fulfillment.cli.deciding import person
from fulfillment.cli.durations import end, moment
from fulfillment.cli.http import ApiUrl, AsCaller, AsJson, Json, checked, console, fail, items, print_json, service
from fulfillment.cli.order_views import minute

_PATH = "/v1/delegations"
_STATES = {"valid": "green", "not yet": "yellow", "revoked": "red"}


def delegate(
    to: Annotated[str, typer.Argument(metavar="TO", help="key:NAME, NAME for short, or jwt:ISSUER#SUBJECT.")],
    until: Annotated[
        datetime,
        typer.Option(
            parser=end, metavar="TIME", help="For so long from now, like 24h or 14d, or until 2027-01-31 begins (UTC)."
        ),
    ],
    since: Annotated[
        datetime | None,
        typer.Option("--from", parser=moment, metavar="TIME", help="In the same way, when it begins; else: now."),
    ] = None,
    role: Annotated[list[str] | None, typer.Option(help="One of your roles; may be repeated. Without: all.")] = None,
    caller: AsCaller = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Let somebody decide for you. What you delegated to them before is replaced.
    """
    starts_at = since or datetime.now(UTC)
    body: Json = {"delegate": person(to), "from": starts_at.isoformat(), "until": until.isoformat()}
    if role:
        body["roles"] = role
    with service(api, APPROVER, caller) as client:
        given = checked(client.put(_PATH, json=body)).json()
    if as_json:
        print_json(given)
        return
    roles = " and ".join(given["roles"])
    typer.echo(
        f"{given['delegate']} decides for you as {roles} from {minute(given['from'])} until {minute(given['until'])}."
    )
    typer.echo(f"End it sooner: fulfillment approvals undelegate {given['delegate']}")


def delegations(caller: AsCaller = None, api: ApiUrl = None, as_json: AsJson = False) -> None:
    """
    List what you have delegated, and what was delegated to you.
    """
    with service(api, APPROVER, caller) as client:
        given, received = _listed(client, "given"), _listed(client, "received")
    if as_json:
        print_json({"given": given, "received": received})
    elif given or received:
        _print([*given, *received])
    else:
        typer.echo("You have delegated nothing, and nothing was delegated to you.")


def undelegate(
    to: Annotated[str, typer.Argument(metavar="TO", help="Whom you delegated to; or the id of any delegation.")],
    caller: AsCaller = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    End a delegation now. What was decided with it counts.
    """
    with service(api, APPROVER, caller) as client:
        revoked = checked(client.delete(f"{_PATH}/{_id(client, to)}")).json()
    if as_json:
        print_json(revoked)
    else:
        typer.echo(f"{revoked['delegate']} does not decide for {revoked['delegator']} any more.")


def _listed(client: httpx2.Client, direction: str) -> list[Json]:
    return list(items(client, _PATH, direction=direction))


def _id(client: httpx2.Client, to: str) -> str:
    try:
        return str(UUID(to))
    except ValueError:
        ids = [str(one["id"]) for one in _listed(client, "given") if one["delegate"] == person(to)]
    return ids[0] if ids else fail(f"You have delegated nothing to {person(to)}.")


def _print(found: Iterable[Json]) -> None:
    people = (Column(name, overflow="fold") for name in ("of", "to"))
    table = Table(*people, "roles", "from", "until", "state")
    for one in found:
        state = _state(one)
        table.add_row(
            one["delegator"],
            one["delegate"],
            " ".join(one["roles"]),
            minute(one["from"]),
            minute(one["until"]),
            Text(state, _STATES.get(state, "")),
        )
    console().print(table)


def _state(one: Json) -> str:
    now = datetime.now(UTC)
    if one["revoked_at"]:
        return "revoked"
    if datetime.fromisoformat(one["until"]) <= now:
        return "ended"
    return "valid" if datetime.fromisoformat(one["from"]) <= now else "not yet"
