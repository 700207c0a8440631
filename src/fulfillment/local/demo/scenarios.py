"""
What is to happen to an order of the file, and how it is to end.
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from fulfillment.domain.attention import Action
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from fulfillment.local.demo.decisions import Approver, Decision, Said

DEFAULT_TOKEN = "tok_visa"  # noqa: S105 - the name of a test card
ASKS_CUSTOMER = "tok_action_required"
"""The card whose bank asks its customer for something."""
TOO_LATE = "TEST-TOO-LATE"
"""The postal code by which the sandbox's carrier knows the parcels it has picked up before it hears of a cancel."""


class Journey(StrEnum):
    """What the carrier does with the parcel."""

    DELIVER = "deliver"
    NONE = "none"
    LOST = "lost"
    RETURN = "return"
    LATE_PICK_UP = "late_pick_up"


class Customer(StrEnum):
    """What the customer does with what their bank asks for."""

    AGREES = "agrees"
    REFUSES = "refuses"
    IGNORES = "ignores"


class ProviderNews(StrEnum):
    """What the payment provider tells of the order's payment, long after it was asked."""

    DISPUTES = "disputes"
    CAPTURE_FAILS = "capture_fails"
    AUTHORIZATION_EXPIRES = "authorization_expires"


_DEADLINES = (
    FailureCode.APPROVAL_EXPIRED,
    FailureCode.PAYMENT_EXPIRED,
    AttentionReason.HAND_OVER_OVERDUE,
    AttentionReason.DELIVERY_OVERDUE,
)
_FAILED = (OrderStatus.CANCELLING, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.RETURNED)

_PAID = (OrderStatus.AWAITING_SHIPMENT, OrderStatus.SHIPPED, OrderStatus.DELIVERED)

STRAIGHT = ("picked_up", "in_transit", "delivered")
"""The events of a parcel that arrives."""

_STEPS: dict[Journey, tuple[str, ...]] = {
    Journey.DELIVER: STRAIGHT,
    Journey.NONE: (),
    Journey.LOST: ("picked_up", "lost"),
    Journey.RETURN: ("picked_up", "in_transit", "returned"),
    Journey.LATE_PICK_UP: STRAIGHT,
}

_EVENTS = {
    ProviderNews.DISPUTES: "disputed",
    ProviderNews.CAPTURE_FAILS: "capture_failed",
    ProviderNews.AUTHORIZATION_EXPIRES: "authorization_expired",
}

_BEFORE_THE_END = tuple(status for status in OrderStatus if not status.is_final)


def _not_final(value: object) -> object:
    if value is not None and value not in _BEFORE_THE_END:
        raise PydanticCustomError("not_before_the_end", f"must be one of {', '.join(_BEFORE_THE_END)}")
    return value


def _paid(value: object) -> object:
    if value not in _PAID:
        raise PydanticCustomError("not_paid", f"must be one of {', '.join(_PAID)}")
    return value


def _some(value: object) -> object:
    """None, one, or a list of them."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def _pair(value: object) -> object:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return tuple(value)
    raise PydanticCustomError("no_pair", 'must be who decides and what, like ["manager", "approve"]')


def _code(value: object) -> FailureCode | AttentionReason:
    for codes in (FailureCode, AttentionReason):
        if isinstance(value, str) and value in list(codes):
            return codes(value)
    raise PydanticCustomError("code", "must be a failure code or what an operator is asked, like stock_short or lost")


def _without_a_yes(decisions: Sequence[Said]) -> FailureCode | None:
    """How an order fails about which this is said."""
    if any(decision is Decision.REJECT for _, decision in decisions):
        return FailureCode.APPROVAL_REJECTED
    return None if decisions else FailureCode.APPROVAL_EXPIRED


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expectation(_Strict):
    """
    Where the order is to arrive, and why it failed or what it asks an operator, if that matters. At the end of an order
    the latter is what was asked on the way, or about what the carrier says after the end (`late_event`).
    """

    status: OrderStatus
    code: Annotated[FailureCode | AttentionReason, PlainValidator(_code)] | None = None

    @field_validator("code")
    @classmethod
    def _only_failed_orders_have_a_failure(
        cls, value: FailureCode | AttentionReason | None, info: ValidationInfo
    ) -> FailureCode | AttentionReason | None:
        status = info.data.get("status")
        if isinstance(value, FailureCode) and status and status not in _FAILED:
            raise PydanticCustomError("not_failed", f"is a failure, which an order that is {status} does not have")
        return value


Pair = Annotated[Said, BeforeValidator(_pair)]
Token = Annotated[str, Field(min_length=1, max_length=255)]


class Scenario(_Strict):
    """
    The `scenario` of a line; without one the card is good and the parcel arrives.

    Attributes:
        token: the card given with the order.
        carrier: what becomes of the parcel.
        cancel_at: the order is cancelled when it is first seen in this status.
        pay_later: cards, one for each time the order waits for a payment.
        customer: what the customer does when the bank asks them for something.
        provider: what the payment provider tells of the payment afterwards.
        provider_at: it does so when the order is first seen in this status.
        decisions: who says what about an order that needs approval, one after the other; none: nobody says anything.
            Without it everybody who is asked approves.
        actions: an operator's answers, one for each time the order needs attention.
        expect: where the order is to arrive.
    """

    token: Token | None = None
    carrier: Journey = Journey.DELIVER
    cancel_at: Annotated[OrderStatus | None, BeforeValidator(_not_final)] = None
    pay_later: Annotated[tuple[Token, ...], BeforeValidator(_some)] = ()
    customer: Customer = Customer.AGREES
    provider: ProviderNews | None = None
    provider_at: Annotated[OrderStatus, BeforeValidator(_paid)] = OrderStatus.DELIVERED
    decisions: tuple[Pair, ...] | None = None
    actions: Annotated[tuple[Action, ...], BeforeValidator(_some)] = ()
    expect: Expectation | None = None

    @field_validator("decisions")
    @classmethod
    def _only_votes_are_withdrawn(cls, value: tuple[Said, ...] | None) -> tuple[Said, ...] | None:
        votes: Counter[Approver] = Counter()
        for approver, decision in value or ():
            votes[approver] += -1 if decision is Decision.WITHDRAW else 1
            if votes[approver] < 0:
                raise PydanticCustomError("no_vote", f"{approver} has no vote to withdraw; let them vote before")
        return value

    @field_validator("provider_at")
    @classmethod
    def _something_is_told(cls, value: OrderStatus, info: ValidationInfo) -> OrderStatus:
        if "provider" in info.data and info.data["provider"] is None:
            raise PydanticCustomError("nothing_told", "says when, so `provider` must say what")
        return value

    @property
    def expected(self) -> Expectation:
        """What `expect` says, else what follows from the rest."""
        if self.expect:
            return self.expect
        too_late = self.carrier is Journey.LATE_PICK_UP or self.cancel_at is OrderStatus.SHIPPED
        if self.cancel_at and not too_late:
            return Expectation(status=OrderStatus.CANCELLED, code=FailureCode.CANCELLED)
        if self.decisions is not None and (code := _without_a_yes(self.decisions)):
            return Expectation(status=OrderStatus.REJECTED, code=code)
        return Expectation(status=self.destination)

    @property
    def destination(self) -> OrderStatus:
        """Where the order arrives if nobody and nothing comes between."""
        return OrderStatus.AWAITING_SHIPMENT if self.carrier is Journey.NONE else OrderStatus.DELIVERED

    @property
    def steps(self) -> tuple[str, ...]:
        """What happens to the parcel, one after the other."""
        return _STEPS[self.carrier]

    @property
    def arrives(self) -> bool:
        """The parcel may simply move on until it is delivered."""
        somebody_acts = self.cancel_at or self.pay_later or self.actions or self.provider
        return self.carrier is Journey.DELIVER and not somebody_acts and self.expected.status.is_final

    @property
    def lets_pass(self) -> FailureCode | AttentionReason | None:
        """What follows from a deadline that nobody keeps."""
        if self.expected.code in _DEADLINES:
            return self.expected.code
        waits = self.carrier is Journey.NONE and self.actions
        return AttentionReason.HAND_OVER_OVERDUE if waits else None

    @property
    def plan(self) -> tuple[Said, ...] | None:
        """Who says what about it; None: whoever is asked approves."""
        if OrderStatus.AWAITING_APPROVAL in (self.cancel_at, self.expected.status):
            return self.decisions or ()
        return self.decisions

    @property
    def waits_for_card(self) -> bool:
        """The order is to wait for a payment, so none is given with it."""
        waits = OrderStatus.AWAITING_PAYMENT in (self.cancel_at, self.expected.status)
        return bool(self.pay_later) or waits or self.lets_pass is FailureCode.PAYMENT_EXPIRED

    @property
    def is_hasty(self) -> bool:
        """The order is to be cancelled before it is paid: there is no time to wait for what becomes of it."""
        return self.cancel_at in (OrderStatus.RECEIVED, OrderStatus.PROCESSING)

    @property
    def meets_outage(self) -> bool:
        """The payment provider is away when the money is to be taken, until an operator is asked."""
        return self.expected.code is AttentionReason.CAPTURE_OVERDUE

    @property
    def moves_late(self) -> bool:
        """The carrier takes the parcel although the order has ended without a delivery."""
        return self.expected.code is AttentionReason.LATE_EVENT

    @property
    def provider_event(self) -> str | None:
        """What the payment provider tells, in its own words."""
        return _EVENTS[self.provider] if self.provider else None

    @property
    def needs_customer(self) -> bool:
        """Something is said about the customer, so the bank is to ask them."""
        return "customer" in self.model_fields_set

    @property
    def parcels(self) -> int:
        """How many parcels are sent."""
        return 1 + self.actions.count(Action.RESHIP)
