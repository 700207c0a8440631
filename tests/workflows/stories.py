"""
One order, everybody who has a say in it, and what became of it.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError

from fulfillment.contracts.messages import Act, Amend, Cancel, Pay, Readdress
from fulfillment.contracts.orders import Address, Card, CarrierEvent, Line, StartOrder
from fulfillment.contracts.steps import Changed
from fulfillment.domain.attention import Action
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from fulfillment.workflows.order import OrderWorkflow
from tests.fakes.activities import Script
from tests.fakes.orders import a_line, an_event, payment_news, tracking_number_of
from tests.fixtures.waiting import until
from tests.workflows.running import OrderHandle, RunningOrders

PLACE, AUTHORIZE, BOOK, CAPTURE = "place_order", "authorize_payment", "book_shipment", "capture_payment"
PAID_AND_BOOKED = [PLACE, AUTHORIZE, BOOK, CAPTURE]
GATE, REVERSE, RELEASE = "cancel_shipment", "reverse_payment", "release_stock"

BOTH = frozenset({REVERSE, RELEASE})
STOCK = frozenset({RELEASE})

CANCELLED = (OrderStatus.CANCELLED, FailureCode.CANCELLED)
UNAVAILABLE = (OrderStatus.REJECTED, FailureCode.PAYMENT_UNAVAILABLE)

_ENDS = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELED")

ELSEWHERE = Address(name="Grace Hopper", line1="Weg 2", city="Berlin", postal_code="10117", country="DE")


@dataclass(frozen=True)
class Story:
    """One order on its way."""

    orders: RunningOrders
    order: StartOrder
    handle: OrderHandle

    @property
    def script(self) -> Script:
        return self.orders.script

    async def cancel(self) -> None:
        """The customer does not want it any more."""
        await self.handle.execute_update(OrderWorkflow.cancel, Cancel(actor="shop", reason="changed my mind"))

    async def cancel_through_temporal(self) -> None:
        """An operator cancels the workflow; the server that skips time hangs if the step ends at the same moment."""
        await self.handle.cancel()
        await self._until(_is_heard)

    async def pay(self, token: str = "tok_visa") -> None:
        """The customer gives a card."""
        card = Pay(card=Card(token=token), actor="shop", key=token, fingerprint="f", fingerprint_key="k")
        await self.handle.execute_update(OrderWorkflow.pay, card)

    async def amend(self, *lines: Line) -> Changed:
        """The customer wants something else."""
        return await self.handle.execute_update(
            OrderWorkflow.amend, Amend(lines=lines or (a_line(quantity=5),), actor="shop", expected_version=6)
        )

    async def readdress(self) -> Changed:
        """The customer has moved."""
        return await self.handle.execute_update(OrderWorkflow.readdress, Readdress(address=ELSEWHERE, actor="shop"))

    async def act(self, action: Action, reference: str | None = None) -> None:
        """An operator answers; comes back when it is written down."""
        act = Act(action=action, actor="operator", reason="looked into it", provider_reference=reference)
        await self.handle.execute_update(OrderWorkflow.act, act)

    async def hear(self, event: str, *, parcel: int = 1, **more: Any) -> None:
        """The carrier says something."""
        number = tracking_number_of(self.order.order_id, parcel)
        await self.handle.signal(
            OrderWorkflow.carrier_event, an_event(self.order.order_id, event, tracking_number=number, **more)
        )

    async def recorded(self, *events: str, **more: Any) -> None:
        """The carrier says something, and the order has made of it what it makes of it."""
        for event in events:
            before = len(self.script.requests("record_parcel_event"))
            await self.hear(event, **more)
            await self.rests("record_parcel_event", before + 1)

    async def rests(self, step: str, times: int = 1) -> None:
        """Until the order has made of a step what it makes of it, and nothing is under way."""
        await self.script.reached(step, times)
        await self._until(_is_quiet)

    async def took_up(self, updates: int) -> None:
        """Until so many Updates passed their checks, answered or not."""
        await self._until(lambda history: history["WORKFLOW_EXECUTION_UPDATE_ACCEPTED"] >= updates)

    async def _until(self, claim: Callable[[Counter[str]], bool]) -> None:
        async def is_true() -> bool:
            events = (await self.handle.fetch_history()).events
            return claim(Counter(EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in events))

        await until(is_true, seconds=10)

    async def tell(self, news: str, id: str | None = None) -> None:  # noqa: A002 - what providers call it
        """The payment provider says something: `authorized`, `failed`, `disputed`, …"""
        await self.handle.signal(OrderWorkflow.payment_event, payment_news(news, id=id))

    async def agrees(self) -> None:
        """The customer does what the bank asks for."""
        self.script.asks_customer = False
        await self.tell("authorized", id="the customer agreed")

    async def looked_again(self, times: int = 2) -> None:
        """Until the payment was asked about, the first time being the authorisation itself."""
        await self.rests(AUTHORIZE, times)

    async def asked(self, reason: AttentionReason, times: int = 1) -> None:
        """Until an operator is asked, for the first or another time."""
        await self.rests("request_attention", times)
        assert self.script.requests("request_attention")[-1].reason is reason

    async def later(self, time: timedelta) -> None:
        """Time goes by."""
        await self.orders.environment.sleep(time)

    async def ends(self) -> OrderStatus:
        """How it ends, however long that takes."""
        return (await self.handle.result()).status

    async def ends_delivered(self, *, parcel: int = 1) -> bool:
        """Whether the parcel can still arrive."""
        await self.hear("delivered", parcel=parcel, id="the last word")
        return await self.ends() is OrderStatus.DELIVERED

    async def ends_as_cancelled_by_temporal(self) -> bool:
        """Whether the workflow ends as cancelled."""
        with pytest.raises(WorkflowFailureError) as failed:
            await self.handle.result()
        return isinstance(failed.value.cause, CancelledError)

    @property
    def closed_as(self) -> tuple[OrderStatus, FailureCode | None]:
        """What is written down as its end, perhaps by two attempts."""
        (end,) = {(request.status, request.failure) for request in self.script.requests("close_order")}
        return end

    def undone(self) -> frozenset[str]:
        """
        What was undone besides the parcel, after checking the order of all of it: the undo begins, then the parcel is
        kept, then everything else in any order, then the order is closed. Each is done once, whatever it took.
        """
        steps = list(dict.fromkeys(self.script.steps))
        first = next(n for n, step in enumerate(steps) if step in (GATE, REVERSE, RELEASE))
        undos = [step for step in steps[first:] if step in (GATE, REVERSE, RELEASE, "close_order")]
        assert undos[-1] == "close_order"
        assert GATE not in undos[1:]
        return frozenset(undos) - {GATE, "close_order"}

    @property
    def gate_was_asked(self) -> bool:
        """Whether the carrier was asked to keep the parcel."""
        return GATE in self.script.steps


def _is_quiet(history: Counter[str]) -> bool:
    return _are_ended("WORKFLOW_TASK", history) and _are_ended("ACTIVITY_TASK", history)


def _is_heard(history: Counter[str]) -> bool:
    return history["WORKFLOW_EXECUTION_CANCEL_REQUESTED"] > 0 and _are_ended("WORKFLOW_TASK", history)


def _are_ended(what: str, history: Counter[str]) -> bool:
    return history[f"{what}_SCHEDULED"] == sum(history[f"{what}_{end}"] for end in _ENDS)


async def begun(orders: RunningOrders, order: StartOrder, early: CarrierEvent | None = None) -> Story:
    """An order that was accepted."""
    return Story(orders, order, await orders.start(order, early))


async def code_of_refusal(update: Awaitable[Any]) -> str:
    """The kind of refusal an Update meets."""
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await update
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause.type or ""
