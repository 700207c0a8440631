"""
An order workflow whose steps were put into another order without a patch; a file of its own for the sandbox.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.naming import ORDER_WORKFLOW
    from fulfillment.contracts.orders import OrderResult, StartOrder
    from fulfillment.workflows.approvals import Approvals
    from fulfillment.workflows.checkout import Checkout
    from fulfillment.workflows.order import OrderWorkflow


class _BookingFirst(Checkout):
    async def _pay_and_book(self) -> None:
        await self._parcels.book(completes=False)
        await self._authorizations.authorize(another_card=False)
        await self._payments.capture()


@workflow.defn(name=ORDER_WORKFLOW)
class BookingFirst(OrderWorkflow):
    @workflow.init
    def __init__(self, start: StartOrder) -> None:
        super().__init__(start)
        parts = (Approvals(self._order), self._cards, self._authorizations, self._payments, self._parcels)
        self._checkout = _BookingFirst(self._order, *parts)

    @workflow.run
    async def run(self, start: StartOrder) -> OrderResult:
        return await super().run(start)
