"""
Accepted orders on their way into the database.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from fulfillment.contracts.encryption import Cipher
from fulfillment.contracts.orders import Card, StartOrder, Terms
from fulfillment.contracts.steps import Placement, PlacementOutcome
from fulfillment.db.payment_requests import EncryptedCard
from fulfillment.db.placing import NewOrder, Placed
from fulfillment.domain.approval_policy import Policy
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus

_TERMS = TypeAdapter(Terms)


class NewOrders:
    """
    Makes the rows of orders that are not written yet; `terms` are what they are to live by, `policy` says whose
    approval they need.
    """

    def __init__(self, cipher: Cipher, terms: Terms, policy: Policy) -> None:
        self._cipher = cipher
        self._terms = terms
        self._policy = policy

    def row(self, order: StartOrder, run_id: str) -> NewOrder:
        """The row of an order that is run by `run_id`."""
        total = order.total
        waits = order.payment is None and not _is_free(order)
        return NewOrder(
            id=order.order_id,
            caller=order.caller,
            lines=order.lines,
            next_status=OrderStatus.AWAITING_PAYMENT if waits else OrderStatus.PROCESSING,
            policy=self._policy,
            columns={
                "run_id": run_id,
                "customer_id": order.customer_id,
                "email": order.email,
                "reference": order.reference,
                "requested_by": order.requested_by,
                "currency": total.currency,
                "total": total.amount,
                "shipping_address": asdict(order.shipping_address),
                "metadata": order.metadata,
                "terms": _TERMS.dump_python(self._terms, mode="json"),
                "payment_due_at": datetime.now(UTC) + self._terms.payment_window if waits else None,
                "fingerprint": order.fingerprint,
                "fingerprint_key": order.fingerprint_key,
                "test": order.test,
                "accepted_at": order.accepted_at,
                **self._payment(order),
            },
        )

    def encrypted(self, order_id: OrderId, card: Card) -> EncryptedCard:
        """A card as it is stored with its order."""
        key, token = self._cipher.encrypt(card.token.encode(), context=order_id.bytes)
        return EncryptedCard(method=card.method, token=token, key=key)

    def _payment(self, order: StartOrder) -> dict[str, Any]:
        if order.payment is None or _is_free(order):
            return {"payment_method": None, "payment_token": None, "payment_token_key": None}
        card = self.encrypted(order.order_id, order.payment)
        return {"payment_method": card.method, "payment_token": card.token, "payment_token_key": card.key}


def placement(placed: Placed, run_id: str) -> Placement:
    """What run `run_id` is told of a written row."""
    return Placement(
        outcome=_outcome(placed, run_id),
        status=placed.status,
        total=placed.total,
        terms=_TERMS.validate_python(placed.terms),
        approval=placed.approval,
    )


def _is_free(order: StartOrder) -> bool:
    return order.total.amount == 0 and not order.test


def _outcome(placed: Placed, run_id: str) -> PlacementOutcome:
    if placed.run_id != run_id:
        return PlacementOutcome.DUPLICATE
    return PlacementOutcome.REJECTED if placed.status is OrderStatus.REJECTED else PlacementOutcome.PLACED
