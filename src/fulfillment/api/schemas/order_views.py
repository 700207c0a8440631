"""
What callers are told about orders.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field

from fulfillment.api.schemas.common import MoneyView, View, extensible
from fulfillment.contracts.orders import Line, StartOrder
from fulfillment.db.approval_records import ApprovalSummary
from fulfillment.db.questions import AttentionView
from fulfillment.db.views import AcceptedOrder, OperationView, OrderView
from fulfillment.domain import payments
from fulfillment.domain.approvals import ApprovalStatus
from fulfillment.domain.attention import Action
from fulfillment.domain.identity import Principal
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus, PaymentStatus
from fulfillment.domain.shipping import ShipmentStatus

ORDERS_PATH = "/v1/orders"


def order_path(order_id: OrderId) -> str:
    """Where an order is."""
    return f"{ORDERS_PATH}/{order_id}"


class Links(View):
    """Where to read on."""

    self: str
    """The order."""
    events: str
    """Its timeline."""


class Receipt(View):
    """An order was accepted and will not be lost; the same bytes for every repetition of the request."""

    id: UUID
    """The order, from now on and for ever."""
    status: Literal["received"] = "received"
    reference: str | None
    """Yours, as it was given."""
    total: MoneyView
    accepted_at: datetime
    """When the order was accepted first."""
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
    quantity: Annotated[int, Field(ge=1)]
    """Pieces."""
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
    country: Annotated[str, Field(json_schema_extra={"pattern": "^[A-Z]{2}$"})]
    """ISO 3166-1 alpha-2 code."""


class NextAction(View):
    """What the customer must do for the payment to go on."""

    type: str
    """What kind of step it is; `redirect_to_url`, say."""
    url: Annotated[str, Field(json_schema_extra={"format": "uri"})]
    """Where to send the customer."""

    @classmethod
    def of(cls, action: payments.NextAction) -> Self:
        """Show it."""
        return cls(type=action.type, url=action.url)


class PaymentOut(View):
    """What has become of the money."""

    status: PaymentStatus
    authorized: MoneyView
    """Set aside at the customer's bank."""
    captured: MoneyView
    """Taken."""
    refunded: MoneyView
    """Given back."""
    next_action: NextAction | None
    """What the customer must do while the payment is awaited; null: nothing."""


class ShipmentOut(View):
    """One parcel."""

    carrier: str
    tracking_number: str
    status: ShipmentStatus


class ApprovalOut(View):
    """Who has to agree, or had to, before the order goes on: the newest approval of the order."""

    id: str
    status: Annotated[str, Field(json_schema_extra=extensible(ApprovalStatus))]
    waiting_for: list[str]
    """Roles of which somebody has yet to agree. Callers bound to a customer are not told."""
    since: datetime
    """When they were asked."""
    due_at: datetime | None
    """
    When somebody higher is asked, or it ends; null once it is closed. Callers bound to a customer are not told.
    """

    @classmethod
    def of(cls, approval: ApprovalSummary, caller: Principal) -> Self:
        """How a company decides, and how fast, is its own business: customers learn that it does, and since when."""
        is_customer = caller.customer_id is not None
        return cls(
            id=str(approval.id),
            status=approval.status,
            waiting_for=[] if is_customer else list(approval.waiting_for),
            since=approval.since.astimezone(UTC),
            due_at=None if is_customer or approval.due_at is None else approval.due_at.astimezone(UTC),
        )


class FailureOut(View):
    """Why the order ended without a delivery."""

    code: FailureCode
    message: str
    """One sentence for the customer."""


class AttentionOut(View):
    """An operator must choose one of the order's actions."""

    reason: AttentionReason
    owner: Literal["operations"] = "operations"
    """Who is to answer."""
    since: datetime
    """When the question came up."""
    due_at: datetime | None
    """When it should be answered."""
    resume_status: OrderStatus | None
    """Where the order goes on if the answer is to go on."""
    operation: str | None
    """Key of what could not be done, as in the operations of the order."""

    @classmethod
    def of(cls, attention: AttentionView) -> Self:
        return cls(
            reason=attention.reason,
            since=attention.since,
            due_at=attention.due_at,
            resume_status=attention.resume_status,
            operation=attention.operation,
        )


class OfferedAction(View):
    """An answer an operator may give now."""

    name: Action
    href: str
    """Where to `POST` it."""


def order_actions(order_id: OrderId, names: Iterable[Action]) -> list[OfferedAction]:
    """The buttons of an order."""
    return [OfferedAction(name=name, href=f"{order_path(order_id)}/actions/{name}") for name in names]


class OrderOut(View):
    """The whole order."""

    id: UUID
    status: OrderStatus
    reference: str | None
    """Yours, as it was given."""
    customer_id: str
    email: str | None
    requested_by: str | None
    """The person for whom it was placed."""
    lines: Annotated[list[LineOut], Field(min_length=1)]
    total: MoneyView
    """What all lines cost."""
    shipping_address: AddressOut
    metadata: dict[str, str]
    """Yours, as they were given."""
    payment: PaymentOut
    shipments: list[ShipmentOut]
    """The parcels, oldest first."""
    approval: ApprovalOut | None
    """Null: nobody was ever asked."""
    failure: FailureOut | None
    """Null unless the order ended without a delivery."""
    attention: AttentionOut | None
    """Null unless an operator is asked."""
    actions: list[OfferedAction]
    """What an operator can choose now."""
    version: Annotated[int, Field(ge=0)]
    """Counts the changes, 0 until the order is written down; in quotes it is the `ETag`."""
    accepted_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, order: OrderView, caller: Principal) -> Self:
        """What this caller is told."""
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
            approval=ApprovalOut.of(order.approval, caller) if order.approval else None,
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
        next_action=NextAction.of(order.next_action) if order.next_action else None,
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
        next_action=None,
        shipments=(),
        failure=None,
        approval=None,
        attention=None,
        actions=(),
        version=0,
        accepted_at=start.accepted_at,
        updated_at=start.accepted_at,
    )


class OperationOut(View):
    """One intended effect at a provider, and what is known of it."""

    key: str
    """Its name, and the idempotency key the provider gets: the order, what is to be done, and a number."""
    kind: Annotated[str, Field(json_schema_extra=extensible(OperationKind))]
    """What the provider is asked to do."""
    amount: MoneyView | None
    """Null where no money moves."""
    state: Annotated[str, Field(json_schema_extra=extensible(OperationState))]
    """What is known about it."""
    provider: str
    provider_reference: str | None
    """What the provider calls the result."""
    refusal: str | None
    """The code of a refusal."""
    attempts: Annotated[int, Field(ge=0)]
    """How often the provider was called."""
    actor: Annotated[str, Field(description="Who brought the order to where this is due.")]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, operation: OperationView) -> Self:
        return cls.model_validate(operation, from_attributes=True)
