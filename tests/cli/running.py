"""
Commands as people and scripts run them.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from fulfillment.cli.app import app

Run = Callable[..., Coroutine[Any, Any, Result]]


async def command(*arguments: str, text: str | None = None) -> Result:
    """What a command says and how it ends."""
    # The API's own log lines would end up in the output of the command.
    with capture_logs():
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments, input=text))
