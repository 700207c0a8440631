"""
All commands.
"""

import errno
import os
import sys

import typer

from fulfillment.cli import approvals, db, keys, orders, serve, stock
from fulfillment.cli.demo import demo
from fulfillment.cli.dev import dev
from fulfillment.process import CannotStart

app = typer.Typer(
    name="fulfillment",
    help="Order fulfilment on Temporal: the service, its workers, and the tools of those who run it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(serve.api)
app.command()(serve.worker)
app.command()(serve.sandbox)
app.command()(dev)
app.command()(demo)
app.add_typer(approvals.app, name="approvals")
app.add_typer(db.app, name="db")
app.add_typer(keys.app, name="keys")
app.add_typer(orders.app, name="orders")
app.add_typer(stock.app, name="stock")


def main() -> None:
    """Exit codes: 0 done, 1 refused or failed, 2 usage."""
    try:
        _run()
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.code)
    except BrokenPipeError:
        _give_up_output()
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _give_up_output()
        sys.exit(f"What there is to say cannot be written: {error}")


def _run() -> None:
    try:
        app()
    finally:
        # What is still in the buffer would fail where nobody can tell any more why.
        sys.stdout.flush()


def _give_up_output() -> None:
    """Nobody reads the rest; the interpreter writes it all the same when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
