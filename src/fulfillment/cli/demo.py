"""
`fulfillment demo`: orders from a file, each followed to its end on a stack of its own.
"""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer


def demo(
    orders: Annotated[Path | None, typer.Option(help="Orders as JSON Lines; without it our own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, progress to stderr.")] = False,
    state: Annotated[
        Path | None, typer.Option(help="An empty folder to keep databases and logs in; else they are thrown away.")
    ] = None,
) -> None:
    """
    Start everything, place orders over HTTP, bring each to its end, check the books. Ctrl-C stops it all.
    """
    from fulfillment.api.schemas.orders import PlaceOrderBody
    from fulfillment.local.demo import display, orders_file

    try:
        file = orders_file.read(orders or orders_file.BUILT_IN, PlaceOrderBody)
    except orders_file.MistakesInFile as mistakes:
        typer.echo(str(mistakes), err=True)
        raise typer.Exit(2) from None

    from fulfillment.local.demo.errors import DemoError
    from fulfillment.local.demo.play import Interrupted, play
    from fulfillment.local.errors import StackError

    out = display.console(to_errors=as_json)
    if file.noted:
        out.print(f"not part of an order, kept in its metadata: {', '.join(file.noted)}")
    try:
        report = asyncio.run(play(file, out, state))
    except Interrupted:
        typer.echo("stopped before its end", err=True)
        raise typer.Exit(1) from None
    except (DemoError, StackError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    report.print(out)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    raise typer.Exit(0 if report.is_good else 1)
