"""
The database steps of an order, as they cross Temporal: each is one transaction and may run twice.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum

from temporalio import activity

from fulfillment.contracts.approvals import ApprovalAsked
from fulfillment.contracts.messages import Act, Amend, Pay, Readdress
from fulfillment.contracts.orders import CarrierEvent, StartOrder, Terms
from fulfillment.contracts.payments import PaymentNews
from fulfillment.domain.attention import Action
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """Write the order down and hold its stock; `run_id` is the first run of the workflow that asks."""

    order: StartOrder
    run_id: str


class PlacementOutcome(StrEnum):
    """How placing ended."""

    PLACED = "placed"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """
    The stored result of placing: repeated for the same run, `duplicate` for a run that is not the row's.

    `approval` is the request an order in `awaiting_approval` waits for.
    """

    outcome: PlacementOutcome
    status: OrderStatus
    total: Money
    terms: Terms
    approval: ApprovalAsked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordParcelEvent:
    """A carrier's event for parcel `n` of an order whose workflow last knew it as `status`."""

    order_id: OrderId
    n: int
    event: CarrierEvent
    status: OrderStatus
    picked_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLateEvent:
    """
    A carrier's event that no open order waits for: for the timeline, or for an operator if goods are at stake.
    """

    order_id: OrderId
    event: CarrierEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLatePayment:
    """A payment provider's news that an order which has ended has no use for: an operator is to look at it."""

    order_id: OrderId
    news: PaymentNews


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAttention:
    """
    Ask an operator; `n` counts the questions of one order.

    The order goes on in `resume` with one of `actions`; `operation` is the key of what could not be done, `news` is
    what a payment provider told us.
    """

    order_id: OrderId
    n: int
    reason: AttentionReason
    status: OrderStatus
    resume: OrderStatus
    actions: tuple[Action, ...]
    operation: str | None = None
    news: PaymentNews | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveAttention:
    """
    Question `n` is answered: the order goes on in `status`.

    With `failure` the answer begins an undo (`status` is `cancelling`).
    """

    order_id: OrderId
    n: int
    answer: Act
    status: OrderStatus
    failure: FailureCode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reship:
    """Question `n` is answered with another parcel: its goods are held, or nothing changes (`stock_short`)."""

    order_id: OrderId
    n: int
    answer: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class TakePayment:
    """Another card for an order that waits for one; `n` counts the cards given later."""

    order_id: OrderId
    n: int
    payment: Pay


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendOrder:
    """Replace the lines and hold their stock anew, all or nothing; `n` counts the changes of one order."""

    order_id: OrderId
    n: int
    change: Amend


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaddressOrder:
    """Replace the address; `n` counts the changes of one order."""

    order_id: OrderId
    n: int
    change: Readdress


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """
    What became of a change: its refusal (a code: `stock_short`, `unknown_sku`, `precondition_failed`), or nothing;
    where the order is, what it is worth and its version now. In `awaiting_approval` the `approval` it waits for: the
    one before, or another one because the rules say so for what the order is now.
    """

    status: OrderStatus
    total: Money
    version: int
    refusal: str | None = None
    approval: ApprovalAsked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleApproval:
    """Request `n` is approved: the order goes on."""

    order_id: OrderId
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginUndo:
    """
    The order becomes `cancelling`; `n` counts the undos of one order, `failure` is what it is to end with.
    """

    order_id: OrderId
    n: int
    failure: FailureCode
    actor: str
    reason: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueAsShipped:
    """
    The carrier has parcel `parcel` although nobody told us: the order becomes `shipped`, its goods have left.

    `n` counts these moments; from `status`. With `refused` a cancellation is refused by this.
    """

    order_id: OrderId
    n: int
    parcel: int
    status: OrderStatus
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseCancellation:
    """A cancellation came too late to be acted on; `n` counts them. It is written down, and nothing else."""

    order_id: OrderId
    n: int
    actor: str
    reason: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseStock:
    """Free what the order holds, in its undo `n`; nothing to do when it holds nothing."""

    order_id: OrderId
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseOrder:
    """Everything is undone: the order ends in `status` with `failure` (none for a returned parcel)."""

    order_id: OrderId
    status: OrderStatus
    failure: FailureCode | None


class OrderActivities(ABC):
    """The database steps of an order."""

    @activity.defn
    @abstractmethod
    async def place_order(self, request: PlaceOrder) -> Placement:
        """
        Write the row, hold the stock (all or nothing), decide what comes next; a refusal is an outcome, not an error.
        """

    @activity.defn
    @abstractmethod
    async def take_payment(self, request: TakePayment) -> None:
        """Keep the card and its key; the order is `processing`."""

    @activity.defn
    @abstractmethod
    async def amend_order(self, request: AmendOrder) -> Changed:
        """
        Replace the lines; an order that costs nothing now is `processing`. The approval rules are evaluated anew: above
        what was approved last (by people or by the rules) the order may become, or stay, `awaiting_approval` with
        another request; below it nothing is asked, and an open request is void.
        """

    @activity.defn
    @abstractmethod
    async def readdress_order(self, request: ReaddressOrder) -> Changed:
        """
        Replace the address. Another country may need approval: while an approval is awaited the rules are evaluated
        anew, afterwards it is too late (`order_not_amendable`).
        """

    @activity.defn
    @abstractmethod
    async def settle_approval(self, request: SettleApproval) -> OrderStatus:
        """The order waits for its payment, or is `processing`; the status it has now."""

    @activity.defn
    @abstractmethod
    async def record_parcel_event(self, request: RecordParcelEvent) -> None:
        """Write down what a carrier says and what it does to the order, its parcel and the stock."""

    @activity.defn
    @abstractmethod
    async def record_late_event(self, request: RecordLateEvent) -> None:
        """Write down what a carrier says about a parcel of an order that has ended, or about a replaced parcel."""

    @activity.defn
    @abstractmethod
    async def record_late_payment(self, request: RecordLatePayment) -> None:
        """Write down what a payment provider says about an order that has ended, and put it before an operator."""

    @activity.defn
    @abstractmethod
    async def continue_as_shipped(self, request: ContinueAsShipped) -> None:
        """The parcel has left."""

    @activity.defn
    @abstractmethod
    async def request_attention(self, request: RequestAttention) -> bool:
        """
        Park the order as `needs_attention`; False when the question has answered itself: the money that was asked
        about has been taken meanwhile.
        """

    @activity.defn
    @abstractmethod
    async def resolve_attention(self, request: ResolveAttention) -> None:
        """Write the answer down and go on."""

    @activity.defn
    @abstractmethod
    async def reship(self, request: Reship) -> Changed:
        """Hold the goods of another parcel; the order is `processing` again."""

    @activity.defn
    @abstractmethod
    async def refuse_cancellation(self, request: RefuseCancellation) -> None:
        """Note that a cancellation came too late."""

    @activity.defn
    @abstractmethod
    async def begin_undo(self, request: BeginUndo) -> None:
        """The order becomes `cancelling`."""

    @activity.defn
    @abstractmethod
    async def release_stock(self, request: ReleaseStock) -> None:
        """Undo of holding stock; tolerates that nothing is held."""

    @activity.defn
    @abstractmethod
    async def close_order(self, request: CloseOrder) -> None:
        """The order ends without a delivery."""
