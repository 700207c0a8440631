"""
Money set aside for one order, and waiting for the customer where the bank asks for something first.
"""

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.naming import TaskQueue
    from fulfillment.contracts.payments import Authorization, AuthorizePayment, PaymentActivities, ReversePayment
    from fulfillment.contracts.providers import Told
    from fulfillment.contracts.recovery import Standing
    from fulfillment.domain.errors import (
        CannotTell,
        InsufficientFunds,
        PaymentDeclined,
        PaymentUnavailable,
        StockShort,
        UndoRefused,
    )
    from fulfillment.domain.money import Money
    from fulfillment.domain.operations import OperationKind
    from fulfillment.domain.orders import FailureCode, OrderStatus
    from fulfillment.workflows.desk import Desk
    from fulfillment.workflows.outcomes import Numbers, Outcomes
    from fulfillment.workflows.state import OrderState
    from fulfillment.workflows.steps import code_among, provider_step

DECLINED = (PaymentDeclined.code, InsufficientFunds.code)
"""Codes of an issuer's no."""


class NotYetPaid(Exception):
    """The order waits for another card, or for its customer."""


class Authorizations:
    """
    Authorisations of one order; one is its own at a time.

    It is noted as `open` before it is asked for: whatever becomes of it, it is reversed if the order ends. `has_news`:
    the provider says that the customer has acted. While `is_looking` nothing may take its place.
    """

    def __init__(self, order: OrderState, desk: Desk) -> None:
        self._order = order
        self._outcomes = Outcomes(order, desk)
        self._numbers = Numbers(OperationKind.AUTHORIZE)
        self._awaited: Money | None = None
        self.open: int | None = None
        self.has_news = False
        self.is_looking = False
        self.is_done = False

    def restore(self, standing: Standing) -> None:
        """Go on from where an earlier run left it."""
        self._numbers.restore(standing.authorization)
        if standing.authorization.last and not standing.authorization.is_refused:
            self.open = standing.authorization.last
        if standing.awaited is not None:
            # Whatever takes its place has another number.
            self._numbers.next()
            self._awaited, self.has_news = standing.awaited, True

    @property
    def last(self) -> int:
        """The number of the newest one."""
        return self._numbers.last

    @property
    def is_outdated(self) -> bool:
        """The customer is asked to agree to another amount than the order costs now."""
        return self._awaited not in (None, self._order.total)

    async def authorize(self, *, another_card: bool) -> None:
        """
        Set the money aside.

        Raises:
            NotYetPaid: the order waits for another card, or for its customer.
            Ending: it is not going to be paid.
        """
        self.has_news = False

        async def attempt(n: int, told: Told | None) -> None:
            self.open = n
            request = AuthorizePayment(
                order_id=self._order.id,
                n=n,
                amount=self._order.total,
                patience=self._order.patience(self._order.terms.provider_failures),
                another_card=another_card,
                told=told,
            )
            step = provider_step(TaskQueue.PAYMENTS, PaymentActivities.authorize_payment, request)
            outcome = await self._order.interruptible(step)
            self._awaited = request.amount if outcome is Authorization.AWAITS_CUSTOMER else None

        try:
            await self._outcomes.known(self._numbers, attempt)
        except ActivityError as error:
            code = code_among(error, *DECLINED, PaymentUnavailable.code, StockShort.code)
            if code != PaymentUnavailable.code:
                self.open = None
            if another_card and code in DECLINED:
                self._order.status = OrderStatus.AWAITING_PAYMENT
                raise NotYetPaid from error
            raise self._order.ending(FailureCode(code)) from error
        if self._awaited is not None:
            self._order.status = OrderStatus.AWAITING_PAYMENT
            raise NotYetPaid
        self.is_done = True

    async def look_again(self) -> None:
        """
        Ask what became of the payment that waits for its customer; the order is `processing` if the money is set aside.

        Raises:
            Ending: nobody could say, or the order is cancelled; whatever became of it is undone.
        """
        self.has_news = False
        if self._awaited is None:
            return
        self.is_looking = True
        request = AuthorizePayment(
            order_id=self._order.id,
            n=self._numbers.last,
            amount=self._awaited,
            patience=self._order.patience(self._order.terms.provider_failures),
            resumes=True,
        )
        step = provider_step(TaskQueue.PAYMENTS, PaymentActivities.authorize_payment, request)
        try:
            outcome = await self._order.interruptible(step, serving=False)
        except ActivityError as error:
            if code_among(error, *DECLINED, PaymentUnavailable.code, CannotTell.code) not in DECLINED:
                raise self._order.ending(FailureCode.PAYMENT_UNAVAILABLE) from error
            self.open = self._awaited = None
        else:
            if outcome is None:
                self.is_done, self._awaited = True, None
                self._order.status = OrderStatus.PROCESSING
        finally:
            self.is_looking = False

    async def let_go(self) -> None:
        """
        End the payment that waits for its customer, if there is one: something else takes its place.

        Raises:
            Ending: it cannot be ended, so nothing may take its place; or the order is cancelled.
        """
        if self.open is None or self._awaited is None:
            return
        request = ReversePayment(
            order_id=self._order.id,
            n=self.open,
            authorization=self.open,
            amount=self._awaited,
            patience=self._order.patience(self._order.terms.provider_failures),
            last_look=True,
            replaces=True,
        )
        step = provider_step(TaskQueue.PAYMENTS, PaymentActivities.reverse_payment, request)
        try:
            await self._order.interruptible(step, serving=False)
        except ActivityError as error:
            code_among(error, UndoRefused.code, PaymentUnavailable.code, CannotTell.code)
            raise self._order.ending(FailureCode.PAYMENT_UNAVAILABLE) from error
        self.open = self._awaited = None
