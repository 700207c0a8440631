"""
The long-running processes. Imports wait until a command runs, so that `--help` and small commands start fast.
"""

from typing import Annotated

import typer

from fulfillment import process
from fulfillment.cli.configuration import load
from fulfillment.contracts.naming import TaskQueue
from fulfillment.settings import Settings, Stage
from fulfillment.telemetry import logging


def api() -> None:
    """Serve the HTTP API."""
    from fulfillment.api.server import serve

    settings = load(Settings)
    logging.configure(settings.log, "api")
    process.run(serve(settings))


def worker(
    roles: Annotated[list[TaskQueue], typer.Argument(help="Roles of this process, each with a queue of its own.")],
) -> None:
    """Run workflows and activities of one or more roles."""
    from fulfillment.worker.main import serve

    settings = load(Settings)
    chosen = list(dict.fromkeys(roles))
    logging.configure(settings.log, f"worker-{'-'.join(chosen)}")
    process.run(serve(settings, chosen))


def sandbox() -> None:
    """Serve the simulated payment provider and carrier (development, tests, demo)."""
    from fulfillment.sandbox.server import serve
    from fulfillment.sandbox.settings import SandboxSettings

    stage = load(Stage)
    if stage.profile == "production":
        typer.echo("The sandbox takes no real money: it does not run with FULFILLMENT_PROFILE=production.", err=True)
        raise typer.Exit(1)
    logging.configure(stage.log, "sandbox")
    try:
        process.run(serve(load(SandboxSettings)))
    except SystemExit:  # uvicorn's own way of saying that it cannot start; it has logged the reason
        raise typer.Exit(1) from None
