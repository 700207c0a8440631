"""
Worker processes as an operator starts them.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fulfillment.settings import Settings
from tests.fixtures.settings import AUTOMATIC
from tests.fixtures.waiting import until

ROOT = Path(__file__).parents[2]


def environment_of(settings: Settings, temporal: str) -> dict[str, str]:
    """The variables of a process with these settings."""
    return {
        **AUTOMATIC,
        "PATH": os.environ["PATH"],
        "FULFILLMENT_PROFILE": "local",
        "FULFILLMENT_LOG__FORMAT": "json",
        "FULFILLMENT_DATABASE__URL": settings.database.url.get_secret_value(),
        "FULFILLMENT_ENCRYPTION__KEYS": settings.encryption.keys.get_secret_value(),
        "FULFILLMENT_API__FINGERPRINT_KEYS": settings.api.fingerprint_keys.get_secret_value(),
        "FULFILLMENT_INTERNAL__PORT": "0",
        "FULFILLMENT_PAYMENTS__URL": settings.payments.url,
        "FULFILLMENT_CARRIERS__URL": settings.carriers.url,
        "FULFILLMENT_CARRIERS__WEBHOOK_SECRET": settings.carriers.webhook_secret.get_secret_value(),
        "TEMPORAL_CONFIG_FILE": str(ROOT / "temporal.toml"),
        "TEMPORAL_PROFILE": "local",
        "TEMPORAL_ADDRESS": temporal,
    }


@dataclass(frozen=True)
class Running:
    """A process that was started, and where what it says is written."""

    process: asyncio.subprocess.Process
    log: Path

    def said(self) -> str:
        """What it has said so far."""
        return self.log.read_text()

    async def until_said(self, text: str) -> None:
        """Until it says something."""

        async def has_said() -> bool:
            assert self.process.returncode is None or text in self.said(), self.said()
            return text in self.said()

        await until(has_said)

    async def exit_code(self) -> int:
        """Its exit code, once it has one."""
        async with asyncio.timeout(30):
            return await self.process.wait()

    async def stop(self) -> int:
        """Its exit code after a SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return await self.exit_code()


@asynccontextmanager
async def running(log: Path, environment: Mapping[str, str], *arguments: str) -> AsyncIterator[Running]:
    """A process of this Python; killed if it outlives the block."""
    with log.open("w") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=dict(environment), cwd=log.parent, stdout=output, stderr=output
        )
    try:
        yield Running(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def running_worker(log: Path, environment: Mapping[str, str], *roles: str) -> AsyncIterator[Running]:
    """A worker process that polls its queues."""
    async with running(log, environment, "-m", "fulfillment", "worker", *roles) as worker:
        await worker.until_said("worker_started")
        yield worker
