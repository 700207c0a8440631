"""
What can go wrong, each with a code that never changes: callers, metrics and retry rules branch on the code alone.

`DomainError` is final: asking again changes nothing. `TransientError` is worth another try.
Anything else that is raised is a bug: it is retried and alerted, and never moves money.
Messages carry ids and amounts, no names, addresses or tokens.
"""

from datetime import timedelta
from typing import ClassVar


class FulfillmentError(Exception):
    """Something this service has a name for."""

    code: ClassVar[str]


class DomainError(FulfillmentError):
    """A rule says no, for good; `details` cross Temporal with it."""

    details: tuple[str, ...] = ()


class TransientError(FulfillmentError):
    """Somebody else is unwell; the same call may succeed later."""

    retry_after: timedelta | None = None


class CurrencyMismatch(DomainError):
    """Amounts of two currencies were to be added."""

    code = "currency_mismatch"

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected an amount in {expected}, found one in {found}")


class OrderNotFound(DomainError):
    """No such order, or not one of this caller's."""

    code = "not_found"

    def __init__(self, order_id: object) -> None:
        super().__init__(f"there is no order {order_id}")


class SkuNotFound(DomainError):
    """No such article."""

    code = "not_found"

    def __init__(self, sku: str) -> None:
        super().__init__(f"there is no article {sku}")


class InvalidTransition(Exception):
    """
    An order cannot go from where it is to where it was to go: a bug of ours. Not a `DomainError`, which would be final.
    """

    def __init__(self, current: str, target: str) -> None:
        super().__init__(f"an order that is {current} cannot become {target}")


class OrderNotCancellable(DomainError):
    """The order has left, has ended, or waits for another answer."""

    code = "order_not_cancellable"

    def __init__(self, status: str) -> None:
        super().__init__(f"an order that is {status} cannot be cancelled")


class OrderNotAmendable(DomainError):
    """It is too late to change this about the order."""

    code = "order_not_amendable"

    def __init__(self, status: str) -> None:
        super().__init__(f"an order that is {status} cannot be changed in this way any more")


class TooManyChanges(DomainError):
    """The order was changed, or given cards, as often as any order may be."""

    code = "too_many_changes"

    def __init__(self, most: int, what: str) -> None:
        super().__init__(f"an order takes at most {most} {what}; cancel it and place a new one")


class PaymentNotAwaited(DomainError):
    """The order does not wait for a payment."""

    code = "payment_not_awaited"

    def __init__(self, status: str) -> None:
        super().__init__(f"an order that is {status} does not wait for a payment")


class ActionNotAvailable(DomainError):
    """The order does not ask for this answer (any more)."""

    code = "action_not_available"

    def __init__(self, action: str) -> None:
        super().__init__(f"the order does not offer '{action}' now; its actions are listed in the order")


class OrderIsRunning(DomainError):
    """A workflow runs the order: there is nothing to recover."""

    code = "order_is_running"

    def __init__(self, order_id: object) -> None:
        super().__init__(f"a workflow runs order {order_id}; only one that is gone can be taken over")


class StockShort(DomainError):
    """There are not enough pieces free to be held."""

    code = "stock_short"

    def __init__(self) -> None:
        super().__init__("there are not enough pieces of an article in stock; nothing was changed")


class UnknownSku(DomainError):
    """A line names an article that does not exist."""

    code = "unknown_sku"

    def __init__(self) -> None:
        super().__init__("an article of the lines does not exist; nothing was changed")


class ApprovalNotFound(DomainError):
    """No such request for approval."""

    code = "not_found"

    def __init__(self, approval_id: object) -> None:
        super().__init__(f"there is no approval {approval_id}")


class ApprovalClosed(DomainError):
    """The request, or this level of it, is not open (any more)."""

    code = "approval_closed"

    def __init__(self, what: str, status: str) -> None:
        super().__init__(f"the {what} is {status}: nothing can be decided there")


class AlreadyVoted(DomainError):
    """This person, or the one they act for, has voted at this level."""

    code = "already_voted"

    def __init__(self, level: str) -> None:
        super().__init__(f"there is a vote of yours at the level {level}; withdraw it to vote anew")


class NothingToWithdraw(DomainError):
    """This person has no vote that could still be taken back."""

    code = "nothing_to_withdraw"

    def __init__(self) -> None:
        super().__init__("you have no vote at a level that is open")


class NotAnApprover(DomainError):
    """None of the open levels is this person's to decide."""

    code = "not_an_approver"

    def __init__(self, waiting_for: str) -> None:
        super().__init__(f"the approval waits for {waiting_for}; none of your roles may decide that")


class OwnOrder(DomainError):
    """Four eyes: nobody approves what they asked for themselves."""

    code = "own_order"

    def __init__(self) -> None:
        super().__init__("nobody decides on an order they requested or changed, or at a level they reassigned")


class OneLevelPerPerson(DomainError):
    """This person has voted at another level of the same request."""

    code = "one_level_per_person"

    def __init__(self, level: str) -> None:
        super().__init__(f"you have voted at the level {level}; every level takes somebody else")


class LevelNeeded(DomainError):
    """The decision could be meant for several open levels, or names one that this plan does not have."""

    code = "level_needed"

    def __init__(self, levels: tuple[str, ...]) -> None:
        super().__init__(f"name one of the levels: {', '.join(levels)}")
        self.details = levels


class IdempotencyKeyReused(DomainError):
    """The key was used before, with another body."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used with another body; use a new key for a new intention")


class ReferenceTaken(DomainError):
    """The customer already has an order with this reference."""

    code = "reference_taken"

    def __init__(self, reference: str) -> None:
        super().__init__(f"the customer already has an order with the reference {reference!r}")


class BelowReserved(DomainError):
    """Fewer pieces than open orders hold."""

    code = "below_reserved"

    def __init__(self, sku: str, reserved: int) -> None:
        super().__init__(f"{reserved} pieces of {sku} are held by open orders; on_hand cannot be less")


class PreconditionFailed(DomainError):
    """The thing was changed since the caller read it."""

    code = "precondition_failed"

    def __init__(self, current: int) -> None:
        super().__init__(f"it was changed meanwhile and is now at version {current}; read it again")


class PaymentDeclined(DomainError):
    """The card issuer said no."""

    code = "payment_declined"

    def __init__(self) -> None:
        super().__init__("the card was declined")


class InsufficientFunds(PaymentDeclined):
    """The card has not enough money left."""

    code = "insufficient_funds"

    def __init__(self) -> None:
        DomainError.__init__(self, "the card has insufficient funds")


class CarrierRefused(DomainError):
    """The carrier will not take this parcel."""

    code = "carrier_refused"

    def __init__(self) -> None:
        super().__init__("the carrier does not deliver to this address")


class PaymentUnavailable(DomainError):
    """The payment provider stayed away for longer than the step may wait."""

    code = "payment_unavailable"

    def __init__(self) -> None:
        super().__init__("the payment provider stayed away for too long")


class CarrierUnavailable(DomainError):
    """The carrier stayed away for longer than the step may wait."""

    code = "carrier_unavailable"

    def __init__(self) -> None:
        super().__init__("the carrier stayed away for too long")


class UndoRefused(DomainError):
    """A provider will not take back what it did."""

    code = "undo_refused"

    def __init__(self, key: str) -> None:
        super().__init__(f"{key}: refused by the provider")


class CannotTell(DomainError):
    """
    Nobody can find out any more whether a provider did what it was asked: acting again could do it twice.
    """

    code = "cannot_tell"

    def __init__(self, key: str) -> None:
        super().__init__(f"{key}: the outcome cannot be looked up any more")
        self.details = (key,)


class ProviderUnavailable(TransientError):
    """A provider is away and has not done what it was asked."""

    code = "provider_unavailable"

    def __init__(self, provider: str, retry_after: timedelta | None = None) -> None:
        super().__init__(f"the {provider} is unavailable")
        self.retry_after = retry_after


class OutcomeUnknown(TransientError):
    """A provider was asked and never answered: look up before asking again."""

    code = "outcome_unknown"

    def __init__(self, operation: str) -> None:
        super().__init__(f"{operation}: no answer, the outcome is unknown")


class Unavailable(TransientError):
    """A part of this service cannot answer now; repeating the same request is safe."""

    code = "unavailable"

    def __init__(self, part: str, retry_after: timedelta = timedelta(seconds=2)) -> None:
        super().__init__(f"the {part} cannot be reached; repeat the same request")
        self.retry_after = retry_after
