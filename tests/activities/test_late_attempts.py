"""
An attempt that stood still for longer than it may take finds that others have gone on without it.
"""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from temporalio.testing import ActivityEnvironment

from fulfillment.activities.circuit import Circuit
from fulfillment.activities.payments import LedgeredPaymentActivities
from fulfillment.activities.providers import AlreadyUndone
from fulfillment.contracts.encryption import Cipher
from fulfillment.contracts.payments import Authorization, AuthorizePayment, Reversal
from fulfillment.db.changes import OutOfStep
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind
from fulfillment.gateways.answers import Answer, Sought
from fulfillment.gateways.http import ProviderClient
from fulfillment.gateways.payments import HttpPaymentGateway
from fulfillment.settings import Settings
from tests.activities.shop import PATIENT, TOTAL, Shop

AWAITS = Authorization.AWAITS_CUSTOMER


class Frozen(HttpPaymentGateway):
    """Stands still at the door of the provider until it is released."""

    def __init__(self, client: ProviderClient, opened: str | None = None) -> None:
        super().__init__(client)
        self.reached, self.released = asyncio.Event(), asyncio.Event()
        self.opened, self.authorized = opened, 0

    async def _stand_still(self) -> None:
        self.reached.set()
        await self.released.wait()

    async def open(self, key: str, order_id: OrderId, token: str, amount: Money) -> Answer | None:
        await self._stand_still()
        return Answer(reference=self.opened) if self.opened else None

    async def authorize(self, key: str, order_id: OrderId, token: str, amount: Money, payment: str | None) -> Answer:
        self.authorized += 1
        return await super().authorize(key, order_id, token, amount, payment)

    async def find(self, sought: Sought) -> Answer | None:
        await self._stand_still()
        return await super().find(sought)


class Late:
    """One attempt that stands still."""

    def __init__(self, shop: Shop, settings: Settings, gateway: Frozen) -> None:
        circuit = Circuit(failures=5, pause=PATIENT.memory, changed=lambda *, is_open: None)
        self.gateway = gateway
        self._steps = LedgeredPaymentActivities(
            shop.warehouse.database, gateway, Cipher(settings.encryption.ring()), "sandbox", circuit
        )

    async def begins(self, order_id: OrderId, *, resumes: bool) -> "asyncio.Task[Authorization | None]":
        request = AuthorizePayment(
            order_id=order_id, n=1, amount=TOTAL, patience=PATIENT, resumes=resumes, another_card=True
        )
        attempt = asyncio.create_task(ActivityEnvironment().run(self._steps.authorize_payment, request))
        await self.gateway.reached.wait()
        return attempt


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[ProviderClient]:
    async with httpx2.AsyncClient() as http:
        yield ProviderClient(
            http, provider="payment provider", url=settings.payments.url, timeout=settings.payments.timeout
        )


@pytest.fixture
def late(shop: Shop, settings: Settings, client: ProviderClient) -> Late:
    return Late(shop, settings, Frozen(client))


async def test_a_late_look_does_not_take_the_order_away_from_a_workflow_that_heard_it_still_waits(
    shop: Shop, late: Late
) -> None:
    order_id = await shop.placed(token="tok_action_required")
    assert await shop.authorize(order_id) is AWAITS
    attempt = await late.begins(order_id, resumes=True)
    assert await shop.look_again(order_id, attempt=2) is AWAITS
    await shop.customer(order_id, agrees=True)

    late.gateway.released.set()
    with pytest.raises(OutOfStep):
        await attempt
    assert await shop.close(order_id) is Reversal.DONE
    await shop.pay(order_id, "tok_visa")
    assert await shop.authorize(order_id, n=2, another_card=True) is None
    assert shop.balance(order_id) == (TOTAL.amount, 0, 0)


async def test_a_late_attempt_does_not_decline_the_card_that_took_its_place(shop: Shop, late: Late) -> None:
    order_id = await shop.placed(token="tok_action_required")
    await shop.intend(order_id, OperationKind.AUTHORIZE)
    attempt = await late.begins(order_id, resumes=False)
    assert await shop.authorize(order_id, attempt=2) is AWAITS
    assert await shop.close(order_id) is Reversal.DONE
    await shop.pay(order_id, "tok_visa")

    late.gateway.released.set()
    with pytest.raises(OutOfStep):
        await attempt
    assert await shop.authorize(order_id, n=2, another_card=True) is None


async def test_a_late_attempt_asks_for_no_money_of_an_order_that_was_undone(
    shop: Shop, settings: Settings, client: ProviderClient
) -> None:
    order_id = await shop.placed()
    late = Late(shop, settings, Frozen(client, opened="pay_1"))
    attempt = await late.begins(order_id, resumes=False)
    assert await shop.reverse(order_id) is Reversal.LOOK_AGAIN
    assert await shop.reverse(order_id, last_look=True) is Reversal.DONE

    late.gateway.released.set()
    with pytest.raises(AlreadyUndone):
        await attempt
    assert (late.gateway.authorized, shop.balance(order_id)) == (0, (0, 0, 0))
