"""
What callers are told about orders.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field

from fulfillment.api.schemas.common import MoneyView, View
from fulfillment.contracts.orders import Line, StartOrder
from fulfillment.db.questions import AttentionView
from fulfillment.db.views import AcceptedOrder, EventView, OperationView, OrderView
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import FailureCode, OrderStatus, PaymentStatus

ORDERS_PATH = "/v1/orders"


def order_path(order_id: OrderId) -> str:
    """Where an order is."""
    return f"{ORDERS_PATH}/{order_id}"


class Links(View):
    """Where to read on."""

    self: str
    events: str


class Receipt(View):
    """An order was accepted and will not be lost; the same bytes for every repetition of the request."""

    id: UUID
    status: Literal["received"] = "received"
    reference: str | None
    total: MoneyView
    accepted_at: datetime
    links: Links

    @classmethod
    def of(cls, order: AcceptedOrder | StartOrder) -> Self:
        order_id = order.order_id if isinstance(order, StartOrder) else order.id
        path = order_path(order_id)
        return cls(
            id=order_id,
            reference=order.reference,
            total=MoneyView.of(order.total),
            accepted_at=order.accepted_at,
            links=Links(self=path, events=f"{path}/events"),
        )


class LineOut(View):
    """So many pieces of one article at a price for one piece."""

    sku: str
    name: str
    quantity: int
    unit_price: MoneyView

    @classmethod
    def of(cls, line: Line) -> Self:
        return cls(sku=line.sku, name=line.name, quantity=line.quantity, unit_price=MoneyView.of(line.unit_price))


class AddressOut(View):
    """Where the parcel goes."""

    name: str
    line1: str
    line2: str | None
    city: str
    region: str | None
    postal_code: str | None
    country: str


class NextAction(View):
    """What the customer must do for the payment to go on."""

    type: str
    url: str


class PaymentOut(View):
    """What has become of the money."""

    status: PaymentStatus
    authorized: MoneyView
    captured: MoneyView
    refunded: MoneyView
    next_action: NextAction | None


class ShipmentOut(View):
    """One parcel."""

    carrier: str
    tracking_number: str
    status: Literal["booked", "in_transit", "delivered", "lost", "returned", "cancelled"]


class ApprovalOut(View):
    """Who has to agree before the order goes on."""

    id: str
    status: str
    waiting_for: list[str]


class FailureOut(View):
    """Why the order ended without a delivery."""

    code: FailureCode
    message: str


class AttentionOut(View):
    """An operator must choose one of the order's actions."""

    reason: str
    owner: Literal["operations"] = "operations"
    since: datetime
    due_at: datetime | None
    resume_status: OrderStatus | None
    operation: Annotated[str | None, Field(description="Key of what could not be done.")]

    @classmethod
    def of(cls, attention: AttentionView) -> Self:
        return cls(
            reason=attention.reason,
            since=attention.since,
            due_at=attention.due_at,
            resume_status=attention.resume_status,
            operation=attention.operation,
        )


class ActionOut(View):
    """A button."""

    name: str
    href: str


def order_actions(order_id: OrderId, names: Iterable[str]) -> list[ActionOut]:
    """The buttons of an order."""
    return [ActionOut(name=name, href=f"{order_path(order_id)}/actions/{name}") for name in names]


class OrderOut(View):
    """The whole order."""

    id: UUID
    status: OrderStatus
    reference: str | None
    customer_id: str
    email: str | None
    requested_by: str | None
    lines: list[LineOut]
    total: MoneyView
    shipping_address: AddressOut
    metadata: dict[str, str]
    payment: PaymentOut
    shipments: list[ShipmentOut]
    approval: ApprovalOut | None
    failure: FailureOut | None
    attention: AttentionOut | None
    actions: list[ActionOut]
    version: Annotated[int, Field(description="0 until the order is written down.")]
    accepted_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, order: OrderView) -> Self:
        return cls(
            id=order.id,
            status=order.status,
            reference=order.reference,
            customer_id=order.customer_id,
            email=order.email,
            requested_by=order.requested_by,
            lines=[LineOut.of(line) for line in order.lines],
            total=MoneyView.of(order.total),
            shipping_address=AddressOut.model_validate(order.shipping_address, from_attributes=True),
            metadata=dict(order.metadata),
            payment=_payment(order),
            shipments=[ShipmentOut.model_validate(shipment, from_attributes=True) for shipment in order.shipments],
            approval=None,
            failure=FailureOut(code=order.failure, message=order.failure.message) if order.failure else None,
            attention=AttentionOut.of(order.attention) if order.attention else None,
            actions=order_actions(order.id, order.actions),
            version=order.version,
            accepted_at=order.accepted_at,
            updated_at=order.updated_at,
        )


def _payment(order: OrderView) -> PaymentOut:
    return PaymentOut(
        status=order.payment_status,
        authorized=MoneyView.of(order.authorized),
        captured=MoneyView.of(order.captured),
        refunded=MoneyView.of(order.refunded),
        next_action=None,
    )


def unwritten_order(start: StartOrder) -> OrderView:
    """An accepted order that no worker has written down yet: version 0."""
    nothing = Money(0, start.total.currency)
    return OrderView(
        id=start.order_id,
        status=OrderStatus.RECEIVED,
        reference=start.reference,
        customer_id=start.customer_id,
        email=start.email,
        requested_by=start.requested_by,
        lines=start.lines,
        total=start.total,
        shipping_address=start.shipping_address,
        metadata=start.metadata,
        payment_status=PaymentStatus.NONE,
        authorized=nothing,
        captured=nothing,
        refunded=nothing,
        shipments=(),
        failure=None,
        attention=None,
        actions=(),
        version=0,
        accepted_at=start.accepted_at,
        updated_at=start.accepted_at,
    )


class EventOut(View):
    """One fact of an order's timeline."""

    sequence: int
    kind: str
    actor: str
    at: datetime
    data: dict[str, Any]

    @classmethod
    def of(cls, event: EventView) -> Self:
        return cls.model_validate(event, from_attributes=True)


class OperationOut(View):
    """One intended effect at a provider, and what is known of it."""

    key: str
    kind: str
    amount: MoneyView | None
    state: str
    provider: str
    provider_reference: str | None
    refusal: str | None
    attempts: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, operation: OperationView) -> Self:
        return cls.model_validate(operation, from_attributes=True)
