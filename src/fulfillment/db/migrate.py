"""
Schema changes by Alembic, from code: `fulfillment db upgrade|downgrade|current`.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config


def config(url: str) -> Config:
    """Alembic's configuration for one database; there is no alembic.ini to keep in step."""
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    configuration.attributes["url"] = url
    return configuration


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema up to a revision; does nothing when it is there already."""
    command.upgrade(config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the schema back to a revision (`base`: empty)."""
    command.downgrade(config(url), revision)


def current(url: str) -> None:
    """Print the revision the database is at."""
    command.current(config(url))
