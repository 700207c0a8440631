"""
`fulfillment dev`: the whole service on this machine.
"""

import asyncio
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from fulfillment.local.endpoints import FILE_NAME, Endpoints
from fulfillment.local.errors import StackError

if TYPE_CHECKING:
    from fulfillment.local.logs import LogSink

# `jq` is not everywhere, a Python is.
_KEY = "import json, sys; print(json.load(open(sys.argv[1]))['api_keys'][sys.argv[2]])"


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

    file, sink = (state / FILE_NAME).expanduser().resolve(), stream_for(sys.stdout)
    ready = partial(_welcome, file) if sys.stdout.isatty() else partial(_announce, file, sink)
    stack = LocalStack(StackOptions(state=state, free_ports=free_ports, sink=sink))
    try:
        asyncio.run(stack.run_until_stopped(ready))
    except StackError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _welcome(file: Path, endpoints: Endpoints) -> None:
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
        "API keys": f"of {', '.join(endpoints.api_keys)}: in {file}",
    }.items():
        table.add_row(name, address)
    Console().print(table)
    typer.echo("Every request needs a key. To be the shop, in another terminal:")
    for line in _example(file, endpoints):
        typer.echo(f"  {line}")
    typer.echo("Commands like `fulfillment orders list` find theirs by themselves, in the folder this was started in.")


def _announce(file: Path, sink: "LogSink", endpoints: Endpoints) -> None:
    """The same for whoever reads the log: a line between the others."""
    keys = {"event": "api_keys", "callers": list(endpoints.api_keys), "file": str(file)}
    sink.show("stack", {"level": "info", **keys, "try": _example(file, endpoints)})


def _example(file: Path, endpoints: Endpoints) -> list[str]:
    """
    For any shell. The key itself stays in its file: what is printed ends up in logs and on screenshots.
    """
    return [
        f'export SHOP=$(python3 -c "{_KEY}" {shlex.quote(str(file))} shop)',
        f'curl -H "Authorization: Bearer $SHOP" {endpoints.api}/v1/orders',
    ]
