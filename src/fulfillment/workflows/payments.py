"""
The money of one order that is set aside: taken, and given back.
"""

from dataclasses import dataclass
from typing import Protocol

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.messages import Act
    from fulfillment.contracts.naming import TaskQueue, operation_key
    from fulfillment.contracts.payments import (
        CapturePayment,
        PaymentActivities,
        Reversal,
        ReversePayment,
    )
    from fulfillment.contracts.providers import Told
    from fulfillment.contracts.recovery import Standing
    from fulfillment.domain.attention import SETTLES, Action
    from fulfillment.domain.errors import (
        CannotTell,
        PaymentUnavailable,
        UndoRefused,
    )
    from fulfillment.domain.operations import OperationKind
    from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
    from fulfillment.workflows.authorizations import DECLINED, Authorizations
    from fulfillment.workflows.desk import Desk
    from fulfillment.workflows.outcomes import Numbers, Outcomes, found_out, operation_of
    from fulfillment.workflows.state import Ending, OrderState
    from fulfillment.workflows.steps import code_among, provider_step


@dataclass(frozen=True)
class Obstacle:
    """Why money could not be given back: a code, and the key of the operation it is about."""

    code: str
    operation: str


class Parcel(Protocol):
    """What the money needs to know about the parcel."""

    @property
    def has_moved(self) -> bool:
        """The carrier says that it has it."""

    async def leaves(self) -> None:
        """Go on as shipped."""


class Payments:
    """
    Captures and reversals of the money that is set aside for one order.
    """

    def __init__(self, order: OrderState, desk: Desk, parcel: Parcel, authorizations: Authorizations) -> None:
        self._order = order
        self._desk = desk
        self._parcel = parcel
        self._authorizations = authorizations
        self._outcomes = Outcomes(order, desk)
        self._captures = Numbers(OperationKind.CAPTURE)
        self._reversals = Numbers(OperationKind.VOID)
        self._is_capturing = False
        self.is_settled = False

    def restore(self, standing: Standing) -> None:
        """Go on from where an earlier run left the money."""
        self._captures.restore(standing.capture)
        self._reversals.restore(standing.reversal)
        self.is_settled = standing.is_captured

    async def capture(self) -> None:
        """
        Take the money: before the pick-up if all goes well, after it if the carrier was faster.

        Raises:
            Ending: the order is not going to be paid, and the parcel has not left.
        """
        if not self._is_capturing:
            self._captures.next()
            self._is_capturing = True
        retries = 0
        while not self.is_settled:
            try:
                await self._capture(retries)
            except ActivityError as error:
                code = code_among(error, *DECLINED, PaymentUnavailable.code)
            else:
                break
            if code in DECLINED:
                # The provider remembers its answer under the key: whatever comes next is another capture.
                self._captures.next()
            if self._order.status is OrderStatus.PROCESSING and code in DECLINED:
                raise self._order.ending(FailureCode.PAYMENT_DECLINED)
            self._order.stop_if_cancelled()
            await self._ask_for_help()
            retries += 1
        self.is_settled = True
        if self._order.status is OrderStatus.PROCESSING:
            self._order.status = OrderStatus.AWAITING_SHIPMENT

    async def reverse(self) -> Obstacle | None:
        """Give the money back; what stands in the way is to be insisted on."""
        if self._authorizations.open is None:
            return None
        self._reversals.next()
        return await self._reverse(self._authorizations.open)

    async def insist(self, obstacle: Obstacle | None) -> None:
        """Ask an operator until the money is given back, or is no longer our affair."""
        retries = 0
        while obstacle is not None and self._authorizations.open is not None:
            act = await self._ask_about(obstacle)
            if act.action in SETTLES:
                break
            told = found_out(act, obstacle.operation) if obstacle.code == CannotTell.code else None
            is_new = told is not None and not told.happened and not self._is_authorization(obstacle)
            if is_new or obstacle.code == UndoRefused.code:
                self._reversals.next()
            retries += act.action is Action.RETRY
            obstacle = await self._reverse(self._authorizations.open, retries, None if is_new else told)

    def _is_authorization(self, obstacle: Obstacle) -> bool:
        return obstacle.operation == operation_key(
            self._order.id, OperationKind.AUTHORIZE, self._authorizations.open or 0
        )

    async def _capture(self, retries: int) -> None:
        async def attempt(n: int, told: Told | None) -> None:
            request = CapturePayment(
                order_id=self._order.id,
                n=n,
                authorization=self._authorizations.last,
                amount=self._order.total,
                patience=self._order.patience(self._order.terms.capture_failures * (1 + retries)),
                shipped=self._order.status is OrderStatus.SHIPPED,
                told=told,
            )
            step = provider_step(TaskQueue.PAYMENTS, PaymentActivities.capture_payment, request)
            await self._order.interruptible(step)

        await self._outcomes.known(self._captures, attempt, n=self._captures.last)

    async def _ask_for_help(self) -> None:
        """The money cannot be taken: a person decides, unless the carrier has the parcel meanwhile."""
        operation = operation_key(self._order.id, self._captures.kind, self._captures.last)
        if self._order.status is OrderStatus.SHIPPED:
            await self._desk.ask(AttentionReason.SHIPPED_UNPAID, resume=OrderStatus.SHIPPED, operation=operation)
            await self._desk.answer()
            self.is_settled = (await self._desk.resolve(OrderStatus.SHIPPED)).action in SETTLES
            return
        reason = AttentionReason.CAPTURE_OVERDUE
        if not await self._desk.ask(reason, resume=OrderStatus.PROCESSING, operation=operation):
            self.is_settled = True
            return
        await workflow.wait_condition(lambda: self._desk.is_answered or self._parcel.has_moved)
        if self._parcel.has_moved:
            await self._parcel.leaves()
        elif self._desk.given.action is Action.CANCEL:
            await self._desk.resolve(OrderStatus.CANCELLING, failure=FailureCode.CANCELLED)
            raise Ending(OrderStatus.CANCELLED, FailureCode.CANCELLED, begun=True)
        else:
            await self._desk.resolve(OrderStatus.PROCESSING)

    async def _reverse(self, authorization: int, retries: int = 0, told: Told | None = None) -> Obstacle | None:
        last_look = False
        while True:
            request = ReversePayment(
                order_id=self._order.id,
                n=self._reversals.last,
                authorization=authorization,
                amount=self._order.total,
                patience=self._order.patience(self._order.terms.undo_failures * (1 + retries)),
                last_look=last_look,
                told=told,
            )
            try:
                reversal = await provider_step(TaskQueue.PAYMENTS, PaymentActivities.reverse_payment, request)
            except ActivityError as error:
                return self._obstacle(error)
            if reversal is Reversal.DONE:
                return None
            await workflow.sleep(self._order.terms.second_look, summary="looking again for what may still happen")
            last_look = True

    def _obstacle(self, error: ActivityError) -> Obstacle:
        code = code_among(error, UndoRefused.code, PaymentUnavailable.code, CannotTell.code)
        if code == CannotTell.code:
            return Obstacle(code, operation_of(error))
        kind = OperationKind.REFUND if self.is_settled else OperationKind.VOID
        return Obstacle(code, operation_key(self._order.id, kind, self._reversals.last))

    async def _ask_about(self, obstacle: Obstacle) -> Act:
        is_unknown = obstacle.code == CannotTell.code
        reason = AttentionReason.OUTCOME_UNKNOWN if is_unknown else AttentionReason.UNDO_FAILED
        await self._desk.ask(reason, resume=OrderStatus.CANCELLING, operation=obstacle.operation)
        await self._desk.answer()
        return await self._desk.resolve(OrderStatus.CANCELLING)
