"""
`fulfillment db`: the schema of the database.
"""

from typing import Annotated

import typer

from fulfillment.cli.configuration import load
from fulfillment.settings import DatabaseOnly

app = typer.Typer(help="The schema of the database.", no_args_is_help=True)


def _url() -> str:
    return load(DatabaseOnly).database.url.get_secret_value()


@app.command()
def upgrade(revision: Annotated[str, typer.Argument(help="Where to go.")] = "head") -> None:
    """Bring the schema up; does nothing when it is there already."""
    from fulfillment.db import migrate

    migrate.upgrade(_url(), revision)


@app.command()
def downgrade(revision: Annotated[str, typer.Argument(help="Where to go back to; `base` empties the schema.")]) -> None:
    """Take the schema back. Drops what newer revisions added."""
    from fulfillment.db import migrate

    migrate.downgrade(_url(), revision)


@app.command()
def current() -> None:
    """Print the revision the database is at."""
    from fulfillment.db import migrate

    migrate.current(_url())
