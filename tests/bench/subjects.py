"""
What is measured: each saga with the settings its workers run with.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from fulfillment.contracts.naming import order_workflow_id
from fulfillment.contracts.orders import StartOrder
from fulfillment.domain.ids import OrderId
from fulfillment.local.callers import SHOP
from fulfillment.local.processes import ProcessSpec
from fulfillment.orchestrator import OrderOrchestrator
from tests.bench.lean import LEAN, LeanWorkflow
from tests.bench.load import Watch
from tests.bench.orders import as_body
from tests.bench.stand import Stand
from tests.bench.textbook import TEXTBOOK, TextbookWorkflow

OURS = "ours"
OVER_HTTP = "ours over HTTP"

Begin = Callable[[StartOrder], Awaitable[UUID]]

_PEER_WORKFLOWS: Mapping[str, Callable[..., Any]] = {TEXTBOOK: TextbookWorkflow.run, LEAN: LeanWorkflow.run}
_DONE = {
    TEXTBOOK: "SELECT id, booked_at FROM bench_textbook.orders WHERE id = ANY($1) AND status = 'completed'",
    LEAN: "SELECT id, booked_at FROM bench_lean.orders WHERE id = ANY($1) AND status = 'completed'",
    OURS: "SELECT id, updated_at FROM orders WHERE id = ANY($1) AND status = 'awaiting_shipment'",
}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """
    One saga with its workers' settings.

    Attributes:
        name: which saga, and how its orders come in.
        strict: the workflow sandbox, the same switch for all.
        pollers: of our workers; the peers keep the SDK's default.
    """

    name: str
    strict: bool = True
    pollers: int | None = None

    @property
    def label(self) -> str:
        """What tables call it."""
        settings = ["sandbox strict" if self.strict else "sandbox off"]
        return f"{self.name}, {', '.join(settings + ([f'{self.pollers} pollers'] if self.pollers else []))}"

    @property
    def saga(self) -> str:
        """Whose tables and workflows."""
        return OURS if self.name == OVER_HTTP else self.name

    @property
    def is_plain(self) -> bool:
        """Default settings and no API: what its orders ask of the database depends on neither."""
        return self.strict and self.pollers is None and self.name != OVER_HTTP

    def processes(self, stand: Stand, more: Mapping[str, str] | None = None) -> list[ProcessSpec]:
        """Its workers, and the API if its orders come in there."""
        environment = {"FULFILLMENT_WORKER__STRICT_SANDBOX": str(self.strict).lower(), **(more or {})}
        if self.saga != OURS:
            return [stand.peer(self.saga, environment)]
        if self.pollers:
            environment["FULFILLMENT_WORKER__POLLERS"] = str(self.pollers)
        names = ["worker-orders", "worker-providers", *(["api"] if self.name == OVER_HTTP else [])]
        return [stand.service(name, environment) for name in names]

    def watch(self, connection: "asyncpg.Connection[Any]") -> Watch:
        """Tells when its orders are through: paid and booked, and for the peers all the rest they do."""
        return Watch(connection, _DONE[self.saga])

    def begin(self, stand: Stand) -> Begin:
        """How its orders are started."""
        if self.name == OVER_HTTP:
            return _Shop(stand).place
        if self.saga == OURS:
            return _Starter(OrderOrchestrator(stand.temporal)).start
        return _PeerStarter(stand, self.saga).start

    def workflow_id(self, order_id: UUID) -> str:
        """The workflow of an order."""
        return order_workflow_id(OrderId(order_id)) if self.saga == OURS else f"{self.saga}/{order_id}"


@dataclass(frozen=True)
class _PeerStarter:
    stand: Stand
    saga: str

    async def start(self, order: StartOrder) -> UUID:
        await self.stand.temporal.start_workflow(
            _PEER_WORKFLOWS[self.saga], order, id=f"{self.saga}/{order.order_id}", task_queue=self.saga
        )
        return order.order_id


@dataclass(frozen=True)
class _Starter:
    orchestrator: OrderOrchestrator

    async def start(self, order: StartOrder) -> UUID:
        await self.orchestrator.start(order)
        return order.order_id


@dataclass(frozen=True)
class _Shop:
    stand: Stand

    async def place(self, order: StartOrder) -> UUID:
        response = await self.stand.http.post(
            f"{self.stand.plan.wiring.api_url}/v1/orders",
            json=as_body(order),
            headers={
                "Authorization": f"Bearer {self.stand.plan.api_keys[SHOP]}",
                "Idempotency-Key": str(uuid4()),
            },
        )
        response.raise_for_status()
        return UUID(response.json()["id"])


def standard() -> list[Subject]:
    """What one round measures, in this order."""
    sagas = [Subject(name=name, strict=strict) for strict in (True, False) for name in (TEXTBOOK, LEAN, OURS)]
    tuned = [Subject(name=OURS, pollers=pollers) for pollers in (5, 20)]
    return [*sagas, *tuned, Subject(name=OVER_HTTP)]
