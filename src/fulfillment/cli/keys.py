"""
`fulfillment keys`: who may call, and with which API keys.

Works on the database itself: the first key has to come from somewhere, and one that leaked has to go whatever else is
down.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from fulfillment.api_key import ApiKey
from fulfillment.cli.durations import end, span
from fulfillment.cli.http import KEY_VARIABLE, AsJson, Json, console, print_json
from fulfillment.domain.identity import Scope

if TYPE_CHECKING:
    from fulfillment.db.key_list import ListedKey

_OVERLAP = timedelta(hours=24)
_COLOURS = {"good": "green", "expired": "yellow", "revoked": "red"}

app = typer.Typer(help="Who may call, and with which API keys.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="How logs and timelines call the caller: `key:NAME`.")]
Expires = Annotated[
    datetime | None,
    typer.Option(parser=end, metavar="WHEN", help="24h, 90d, or a day (from 0:00 UTC); never, without it."),
]


@app.command()
def create(
    name: Name,
    scopes: Annotated[list[Scope], typer.Option("--scope", help="What the caller may do; may be repeated.")],
    roles: Annotated[
        list[str] | None, typer.Option("--role", metavar="ROLE", help="As whom it approves; may be repeated.")
    ] = None,
    customer: Annotated[
        str | None, typer.Option(metavar="ID", help="The customer whose orders alone the caller is to see.")
    ] = None,
    expires: Expires = None,
    as_json: AsJson = False,
) -> None:
    """
    Make a caller and its first key. A name is never given again: it owns what was placed under it.
    """
    from fulfillment.cli import key_store

    key, keys = key_store.create(key_store.new_principal(name, scopes, roles or [], customer), expires)
    _print_new(key, name, keys, as_json=as_json)


@app.command(name="list")
def list_keys(
    every: Annotated[bool, typer.Option("--all", help="Expired and revoked keys, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """
    List callers with their keys, each by the part of it that may be shown.
    """
    from fulfillment.cli import key_store

    _print(key_store.find(every=every), as_json=as_json)


@app.command()
def rotate(
    name: Name,
    overlap: Annotated[
        timedelta | None,
        typer.Option(parser=span, metavar="SPAN", help="How long the keys it has stay good (24h); 0h ends them now."),
    ] = None,
    expires: Expires = None,
    as_json: AsJson = False,
) -> None:
    """
    Make another key for a caller; those it has end after the overlap.
    """
    from fulfillment.cli import key_store

    key, keys = key_store.rotate(name, _OVERLAP if overlap is None else overlap, expires)
    _print_new(key, name, keys, as_json=as_json)


@app.command()
def revoke(
    name_or_prefix: Annotated[str, typer.Argument(metavar="NAME_OR_PREFIX", help="A caller, or one of its keys.")],
    as_json: AsJson = False,
) -> None:
    """
    End a caller for ever, with all its keys; or, by its prefix (ful_...), a single key. Holds at once.
    """
    from fulfillment.cli import key_store

    # Whoever found a key somewhere has all of it; the part that may be shown is enough.
    found = ApiKey.read(name_or_prefix)
    target = found.prefix if found else name_or_prefix
    keys = key_store.revoke(target)
    if not as_json:
        typer.echo(f"Revoked: {target}")
    _print(keys, as_json=as_json)


def _print_new(key: ApiKey, name: str, keys: Sequence["ListedKey"], *, as_json: bool) -> None:
    if as_json:
        print_json({"key": key.text, "prefix": key.prefix, "items": [_document(entry) for entry in keys]})
        return
    typer.echo(f"The new key of {name}; it is not shown again:\n\n    {key.text}\n")
    typer.echo(f"Send it as `Authorization: Bearer KEY`; commands take it from {KEY_VARIABLE}.")
    _print(keys, as_json=False)


def _print(keys: Sequence["ListedKey"], *, as_json: bool) -> None:
    if as_json:
        print_json({"items": [_document(key) for key in keys]})
        return
    table = Table("caller", Column("key", no_wrap=True), "state", "may", "until", "last used (UTC)")
    for key in keys:
        state = Text(key.state, _COLOURS[key.state])
        times = _minute(key.expires_at, "no end"), _minute(key.last_used_at, "never")
        table.add_row(key.name, key.prefix, state, _rights(key), *times)
    console().print(table)


def _rights(key: "ListedKey") -> str:
    roles = [f"as {role}" for role in key.roles]
    customer = [] if key.customer_id is None else [f"for customer {key.customer_id} alone"]
    return "\n".join([*key.scopes, *roles, *customer])


def _document(key: "ListedKey") -> Json:
    return {name: _plain(value) for name, value in asdict(key).items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _minute(time: datetime | None, otherwise: str) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if time else otherwise
