"""
One gateway, one Stripe: what an order asks for, under its keys.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from pydantic import SecretStr

from fulfillment.contracts.naming import operation_key
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind
from fulfillment.gateways.answers import Answer, Sought
from fulfillment.gateways.payments import PaymentGateway
from fulfillment.gateways.stripe_extra import stripe_gateway
from fulfillment.settings.providers import Payments, Stripe
from tests.stripe.local_stripe import Records
from tests.stripe.proxy import Proxy

TOTAL = Money(3000, "EUR")
SECRET_KEY = "sk_test_12345"
RETURN_URL = "https://shop.example/back"


def a_new_order() -> OrderId:
    return OrderId(uuid4())


@dataclass
class Stand:
    """Each method is one call of the gateway for the order; the payment is the one that was opened last."""

    gateway: PaymentGateway
    proxy: Proxy
    records: Records
    order_id: OrderId = field(default_factory=a_new_order)
    payment: str = ""

    def key(self, kind: OperationKind, n: int = 1) -> str:
        return operation_key(self.order_id, kind, n)

    async def open(self, token: str = "pm_card_visa", amount: Money = TOTAL, n: int = 1) -> Answer:
        answer = await self.gateway.open(self.key(OperationKind.AUTHORIZE, n), self.order_id, token, amount)
        assert answer is not None
        self.payment = answer.reference or ""
        return answer

    async def authorize(self, amount: Money = TOTAL, n: int = 1) -> Answer:
        key = self.key(OperationKind.AUTHORIZE, n)
        return await self.gateway.authorize(key, self.order_id, "not needed any more", amount, self.payment)

    async def capture(self, amount: Money = TOTAL, n: int = 1) -> Answer:
        return await self.gateway.capture(self.key(OperationKind.CAPTURE, n), self.payment, amount)

    async def void(self, n: int = 1) -> Answer:
        return await self.gateway.void(self.key(OperationKind.VOID, n), self.payment)

    async def refund(self, amount: Money = TOTAL, n: int = 1) -> Answer:
        return await self.gateway.refund(self.key(OperationKind.REFUND, n), self.payment, amount)

    async def find(self, kind: OperationKind, n: int = 1) -> Answer | None:
        """By the payment, as our ledger names it."""
        sought = Sought(kind=kind, key=self.key(kind, n), order_id=self.order_id, payment=self.payment)
        return await self.gateway.find(sought)

    async def search(self, kind: OperationKind, n: int = 1) -> Answer | None:
        """After our ledger was lost."""
        return await self.gateway.find(Sought(kind=kind, key=self.key(kind, n), order_id=self.order_id))

    async def authorized(self, token: str = "pm_card_visa", amount: Money = TOTAL) -> str:
        """A payment with money set aside."""
        await self.open(token, amount)
        assert await self.authorize(amount) == Answer(reference=self.payment)
        return self.payment

    async def captured(self, amount: Money = TOTAL) -> str:
        """A payment whose money was taken."""
        await self.authorized(amount=amount)
        assert await self.capture(amount) == Answer(reference=self.payment)
        return self.payment

    def effects(self) -> list[str]:
        return self.records.effects(self.order_id)


@asynccontextmanager
async def gateway_at(url: str, seconds: float = 10) -> AsyncIterator[PaymentGateway]:
    """The gateway as the settings make it."""
    stripe = Stripe(secret_key=SecretStr(SECRET_KEY), return_url=RETURN_URL)
    payments = Payments(
        adapter="stripe",
        name="stripe",
        url=url,
        timeout=timedelta(seconds=seconds),
        webhook_secret=SecretStr("whsec_any"),
        stripe=stripe,
    )
    async with stripe_gateway(payments, stripe) as gateway:
        yield gateway
