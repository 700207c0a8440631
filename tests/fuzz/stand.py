"""
The whole service as real processes, with stock and with orders in every state that requests can lead to.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fulfillment.invariants import Check
from fulfillment.local.endpoints import Endpoints
from fulfillment.local.services import SERVICES
from fulfillment.local.stack import LocalStack, StackOptions
from tests.fixtures.books import books
from tests.fixtures.settings import AUTOMATIC

_ENVIRONMENT = {
    **AUTOMATIC,
    # Parcels stay where they are until the fuzzer says what happened to them.
    "FULFILLMENT_SANDBOX__TRANSIT": "0",
    "FULFILLMENT_LIMITS__RATE": "off",
    "FULFILLMENT_ORDERS__RETRY_PAYMENT": "true",
    "FULFILLMENT_ORDERS__PROVIDER_PATIENCE": "15",
    "FULFILLMENT_ORDERS__CAPTURE_PATIENCE": "15",
    "FULFILLMENT_ORDERS__UNDO_PATIENCE": "15",
    "FULFILLMENT_ORDERS__SECOND_LOOK": "3",
    "PYTHONDONTWRITEBYTECODE": "",
}
# Until nothing is under way any more, and workflows that ended are listed as closed.
_SETTLING = 60.0
_ERROR = re.compile(r'"level": "(error|critical)"|Traceback|request_failed')


@dataclass(frozen=True, kw_only=True)
class Stand:
    """
    The service, up.

    Attributes:
        stack: its processes.
        state: the folder of its data and logs.
        started: process ids by name, as they were at first.
    """

    stack: LocalStack
    state: Path
    started: Mapping[str, int]

    @classmethod
    @asynccontextmanager
    async def up(cls, state: Path) -> AsyncIterator["Stand"]:
        """
        Start everything in a state folder, and stop it.

        Raises:
            StackError: it does not start.
        """
        options = StackOptions(state=state, free_ports=True, environment=_ENVIRONMENT)
        async with LocalStack(options) as stack:
            yield cls(stack=stack, state=state, started=dict(stack.pids))

    @property
    def endpoints(self) -> Endpoints:
        return self.stack.endpoints

    @property
    def key(self) -> str:
        """Of a caller with every scope."""
        return self.endpoints.api_keys["admin"]

    @property
    def died(self) -> Sequence[str]:
        """Processes that are not the ones that were started."""
        now = self.stack.pids
        return [name for name, pid in self.started.items() if now.get(name) != pid]

    def complaints(self) -> Sequence[str]:
        """Errors and tracebacks our processes logged; what the fuzzer sends must be nobody's bug."""
        return [
            f"{name}: {line}"
            for name in SERVICES
            for line in (self.state / "logs" / f"{name}.log").read_text(errors="replace").splitlines()
            if _ERROR.search(line)
        ]

    async def books(self) -> Sequence[Check]:
        """The verdicts on I1 to I8 over all orders, asked for again for a while as long as one of them is bad."""
        return await books(self.endpoints, _SETTLING)
