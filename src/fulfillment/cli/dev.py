"""
`fulfillment dev`: the whole service on this machine.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fulfillment.local.endpoints import Endpoints
from fulfillment.local.errors import StackError


def dev(
    state: Annotated[Path, typer.Option(help="Folder of all data; the next start goes on from there.")] = Path(
        ".local"
    ),
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Choose ports nobody uses.")] = False,
) -> None:
    """
    Start PostgreSQL, Temporal, the sandbox, the API and the workers here; Ctrl-C stops them all.
    """
    # Imports that take their time wait until the command runs.
    from fulfillment.local.logs import stream_for
    from fulfillment.local.stack import LocalStack, StackOptions

    stack = LocalStack(StackOptions(state=state, free_ports=free_ports, sink=stream_for(sys.stdout)))
    try:
        asyncio.run(stack.run_until_stopped(_welcome if sys.stdout.isatty() else lambda _: None))
    except StackError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _welcome(endpoints: Endpoints) -> None:
    table = Table(title="Everything is running. Ctrl-C stops it.", show_header=False, title_justify="left")
    table.add_column()
    table.add_column(overflow="fold")
    for name, address in {
        "API": endpoints.api,
        "API documentation": endpoints.docs,
        "Temporal UI": endpoints.temporal_ui,
        "Temporal": endpoints.temporal,
        "Sandbox (payments, carrier)": endpoints.sandbox,
        "PostgreSQL": endpoints.database_dsn,
    }.items():
        table.add_row(name, address)
    Console().print(table)
