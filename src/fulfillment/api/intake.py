"""
Accepting an order: the same key never makes a second one.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from fulfillment.api.schemas.order_views import Receipt
from fulfillment.api.schemas.orders import PlaceOrderBody
from fulfillment.contracts.orders import StartOrder
from fulfillment.db import views
from fulfillment.db.engine import Database
from fulfillment.db.outages import is_outage
from fulfillment.domain.errors import IdempotencyKeyReused, ReferenceTaken
from fulfillment.domain.ids import OrderId, order_id_for
from fulfillment.fingerprint import Fingerprint, FingerprintRing
from fulfillment.orchestrator import OrderOrchestrator

# Longer than any healthy look-up, shorter than a caller's patience: the workflow start does not need the database.
LOOK_UP_TIMEOUT = timedelta(seconds=3)

_NOTHING_KNOWN = views.Claims(order=None, reference_taken=False)

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The receipt of an order, and whether an earlier request made it."""

    order_id: OrderId
    receipt: Receipt
    replayed: bool


class OrderIntake:
    """
    Decides what a request to place an order means: a new order, a repetition, or a key or reference used before.
    """

    def __init__(self, database: Database, orders: OrderOrchestrator, fingerprints: FingerprintRing) -> None:
        self._database = database
        self._orders = orders
        self._fingerprints = fingerprints

    async def accept(self, body: PlaceOrderBody, caller: str, key: str) -> Acceptance:
        """
        Accept the order, or find it accepted before.

        Raises:
            IdempotencyKeyReused: the key stands for another body.
            ReferenceTaken: the customer has another order with this reference.
            Unavailable: Temporal cannot be reached; the same request may be repeated.
        """
        order_id = order_id_for(caller, key)
        structlog.contextvars.bind_contextvars(order_id=str(order_id))
        claims = await self._claims(order_id, body)
        if claims.order:
            return self._repetition(order_id, body, claims.order)
        if claims.reference_taken and body.reference:
            raise ReferenceTaken(body.reference)
        start = body.to_start(order_id, caller, datetime.now(UTC), self._fingerprints.of(body.canonical()))
        before = await self._orders.start(start)
        if before:
            return self._repetition(order_id, body, before)
        return Acceptance(order_id, Receipt.of(start), replayed=False)

    async def _claims(self, order_id: OrderId, body: PlaceOrderBody) -> views.Claims:
        try:
            async with asyncio.timeout(LOOK_UP_TIMEOUT.total_seconds()), self._database.statement() as connection:
                return await views.claims(connection, order_id, body.customer_id, body.reference)
        except Exception as error:
            if not is_outage(error):
                raise
            # Placing writes the row under the same keys and finds out then; the order is not to wait for us.
            _log.warning("order_accepted_without_look_up", error=type(error).__name__)
            return _NOTHING_KNOWN

    def _repetition(
        self, order_id: OrderId, body: PlaceOrderBody, before: views.AcceptedOrder | StartOrder
    ) -> Acceptance:
        fingerprint = Fingerprint(before.fingerprint, before.fingerprint_key)
        if not self._fingerprints.knows(fingerprint.key_id):
            _log.error("fingerprint_key_missing", key_id=fingerprint.key_id)
        if not self._fingerprints.matches(body.canonical(), fingerprint):
            raise IdempotencyKeyReused
        return Acceptance(order_id, Receipt.of(before), replayed=True)
