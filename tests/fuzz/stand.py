"""
The whole service as real processes, with stock and with orders in every state that requests can lead to.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fulfillment.api_key import ApiKey
from fulfillment.db.engine import connect
from fulfillment.db.principals import NewPrincipal, create
from fulfillment.domain.identity import Scope
from fulfillment.invariants import Check
from fulfillment.local.endpoints import Endpoints
from fulfillment.local.services import SERVICES
from fulfillment.local.stack import LocalStack, StackOptions
from fulfillment.settings import Database
from tests.fixtures.books import books

ASKED_ABOUT = "AQ"
"""The country whose orders wait for people, and no others: what becomes of the rest is to be seen, too."""
KEY_FILE = "fuzzer.key"
_FUZZER, _COLLEAGUE = "fuzzer", "ada"
_ROLE = "manager"
_POLICY = {
    "version": "fuzz",
    # More than there are people: votes leave a request open, and only a no ends it.
    "levels": [{"role": _ROLE, "quorum": 10}],
    "risk": {"countries": {ASKED_ABOUT: 1}, "forced": [{"score": 1, "role": _ROLE}]},
}
_ENVIRONMENT = {
    "FULFILLMENT_APPROVALS__POLICY": json.dumps(_POLICY),
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
        key: of a caller with every scope, and a role; it is also in a file of the state folder.
        started: process ids by name, as they were at first.
    """

    stack: LocalStack
    state: Path
    key: str
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
            key = await _introduce(stack.endpoints.database_dsn)
            (state / KEY_FILE).write_text(key)
            yield cls(stack=stack, state=state, key=key, started=dict(stack.pids))

    @property
    def endpoints(self) -> Endpoints:
        return self.stack.endpoints

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


async def _introduce(dsn: str) -> str:
    """The key of a caller who may do everything; a colleague of theirs may decide, too."""
    database, key = connect(Database.model_validate({"url": dsn}), application="tests"), ApiKey.new()
    try:
        async with database.transaction() as connection:
            await create(connection, NewPrincipal(name=_FUZZER, scopes=tuple(Scope), roles={_ROLE}), key)
            deciding = (Scope.APPROVALS_READ, Scope.APPROVALS_DECIDE)
            await create(connection, NewPrincipal(name=_COLLEAGUE, scopes=deciding, roles={_ROLE}), ApiKey.new())
    finally:
        await database.close()
    return key.text
