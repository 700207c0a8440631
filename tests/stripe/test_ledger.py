"""
The steps of an order on a real database, paid at Stripe: our ledger and Stripe's records say the same.
"""

from collections.abc import AsyncIterator

import pytest
from temporalio.testing import ActivityEnvironment

from fulfillment import bootstrap
from fulfillment.activities.recovery import PaymentRecords
from fulfillment.contracts.payments import Authorization, AuthorizePayment, Reversal
from fulfillment.db import recovery
from fulfillment.db.engine import Database
from fulfillment.domain.errors import InsufficientFunds, OutcomeUnknown, PaymentDeclined, ProviderUnavailable
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind
from fulfillment.gateways.http import UnexpectedAnswer
from fulfillment.settings import Settings
from tests.activities.shop import PATIENT, TOTAL, Shop
from tests.fakes.warehouse import Warehouse
from tests.fixtures.settings import MakeSettings
from tests.sandbox.running import SandboxClient
from tests.stripe.local_stripe import NO_TLS, Records
from tests.stripe.proxy import Fault, Proxy
from tests.stripe.stand import RETURN_URL, SECRET_KEY, gateway_at

CALLS = [OperationKind.AUTHORIZE, OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND]
LOST = [Fault.HANG_UP_BEFORE, Fault.HANG_UP_AFTER, Fault.ERROR_AFTER]


@pytest.fixture
def settings(make_settings: MakeSettings, proxy: Proxy) -> Settings:
    stripe = {"secret_key": SECRET_KEY, "return_url": RETURN_URL}
    payments = {"adapter": "stripe", "name": "stripe", "url": proxy.url, "webhook_secret": "whsec_any"}
    return make_settings(payments={**payments, "stripe": stripe})


@pytest.fixture
async def shop(settings: Settings, database: Database) -> AsyncIterator[Shop]:
    async with bootstrap.activities(settings, database) as wired:
        with SandboxClient(verify=NO_TLS) as nobody:
            yield Shop(Warehouse.on(database, settings), wired, nobody)


async def _authorize(shop: Shop, order_id: OrderId, *, resumes: bool = False) -> Authorization | None:
    request = AuthorizePayment(order_id=order_id, n=1, amount=TOTAL, patience=PATIENT, resumes=resumes)
    return await ActivityEnvironment().run(shop.activities.payments.authorize_payment, request)


async def _states(shop: Shop, order_id: OrderId) -> dict[str, str]:
    states = {kind.value: await shop.state(order_id, kind) for kind in CALLS}
    return {kind: state for kind, state in states.items() if state is not None}


async def test_the_straight_path_is_paid_once_and_the_payment_is_named_before_it_is_confirmed(
    shop: Shop, proxy: Proxy, records: Records
) -> None:
    order_id = await shop.placed(token="pm_card_visa")
    for _ in range(2):
        await shop.authorize(order_id)
    for _ in range(2):
        await shop.capture(order_id)
    row = await shop.warehouse.order(order_id)
    (payment,) = records.payments(order_id)

    assert (row.status, row.payment_status, row.captured) == ("awaiting_shipment", "captured", TOTAL.amount)
    assert (await shop.entry(order_id, OperationKind.AUTHORIZE)).provider_reference == payment["id"]
    assert await _states(shop, order_id) == {"authorize": "done", "capture": "done"}
    assert proxy.calls == ["create", "confirm", "capture"]
    assert records.effects(order_id) == ["captured 3000 eur"]


async def test_an_order_that_is_cancelled_before_the_capture_lets_go_of_the_money(shop: Shop, records: Records) -> None:
    order_id = await shop.placed(token="pm_card_visa")
    await shop.authorize(order_id)
    for _ in range(2):
        assert await shop.reverse(order_id) is Reversal.DONE

    assert (await shop.warehouse.order(order_id)).payment_status == "voided"
    assert records.effects(order_id) == ["released 3000 eur"]


async def test_an_order_that_is_cancelled_after_the_capture_gives_the_money_back(shop: Shop, records: Records) -> None:
    order_id = await shop.placed(token="pm_card_visa")
    await shop.authorize(order_id)
    await shop.capture(order_id)
    for _ in range(2):
        assert await shop.reverse(order_id) is Reversal.DONE

    assert (await shop.warehouse.order(order_id)).payment_status == "refunded"
    assert records.effects(order_id) == ["captured 3000 eur", "refunded 3000 eur"]


async def test_an_order_whose_bank_asks_waits_for_its_customer_and_is_paid_when_he_is_back(
    shop: Shop, records: Records
) -> None:
    order_id = await shop.placed(token=records.card("asks the customer"))
    for _ in range(2):
        assert await _authorize(shop, order_id) is Authorization.AWAITS_CUSTOMER
    (payment,) = records.payments(order_id)
    row = await shop.warehouse.order(order_id)
    assert row.status == "awaiting_payment"
    assert row.payment_next_action == {"type": "redirect_to_url", "url": f"https://bank.example/{payment['id']}"}
    assert records.effects(order_id) == []

    records.customer_acts(payment["id"], success=True)
    assert await _authorize(shop, order_id, resumes=True) is None
    row = await shop.warehouse.order(order_id)
    assert (row.status, row.payment_status, row.payment_next_action) == ("processing", "authorized", None)
    assert records.effects(order_id) == ["succeeded 3000 eur"]


async def test_nothing_comes_of_an_order_that_is_cancelled_while_its_customer_is_at_the_bank(
    shop: Shop, records: Records
) -> None:
    order_id = await shop.placed(token=records.card("asks the customer"))
    await _authorize(shop, order_id)
    (payment,) = records.payments(order_id)
    for _ in range(2):
        assert await shop.reverse(order_id) is Reversal.DONE
    records.customer_acts(payment["id"], success=True)

    assert records.payments(order_id)[0]["status"] == "canceled"
    assert records.effects(order_id) == []


async def test_nobody_pays_any_more_with_what_the_customer_has_refused(shop: Shop, records: Records) -> None:
    order_id = await shop.placed(token=records.card("asks the customer"))
    await _authorize(shop, order_id)
    (payment,) = records.payments(order_id)
    records.customer_acts(payment["id"], success=False)
    for _ in range(2):
        with pytest.raises(PaymentDeclined):
            await _authorize(shop, order_id, resumes=True)

    # The address the customer comes back to has the secret with which a browser may try another card.
    again = {"payment_method": records.card()}
    records.post(f"/v1/payment_intents/{payment['id']}", data=again)
    records.post(f"/v1/payment_intents/{payment['id']}/confirm", data=again)
    assert "succeeded 3000 eur" not in records.effects(order_id)
    assert records.payments(order_id)[0]["status"] == "canceled"


async def test_a_declined_card_is_declined_once(shop: Shop, records: Records) -> None:
    order_id = await shop.placed(token=records.card("declined", "insufficient_funds"))
    for _ in range(2):
        with pytest.raises(InsufficientFunds):
            await shop.authorize(order_id)

    assert await _states(shop, order_id) == {"authorize": "refused"}
    assert (await shop.warehouse.events(order_id)).count("payment_declined") == 1
    assert records.effects(order_id) == ["failed 3000 eur"]


@pytest.mark.parametrize("fault", LOST)
async def test_every_answer_of_a_payment_may_be_lost(fault: Fault, shop: Shop, proxy: Proxy, records: Records) -> None:
    order_id = await shop.placed(token="pm_card_visa")
    for call in ("create", "confirm", "capture", "refund"):
        proxy.fails(call, fault)
    with pytest.raises(ProviderUnavailable):
        await shop.authorize(order_id)
    with pytest.raises(OutcomeUnknown):
        await shop.authorize(order_id)
    await shop.authorize(order_id)
    with pytest.raises(OutcomeUnknown):
        await shop.capture(order_id)
    await shop.capture(order_id)
    with pytest.raises(OutcomeUnknown):
        await shop.reverse(order_id)
    assert await shop.reverse(order_id) is Reversal.DONE

    assert records.effects(order_id) == ["captured 3000 eur", "refunded 3000 eur"]


@pytest.mark.parametrize("fault", LOST)
async def test_the_answer_to_a_cancellation_may_be_lost(
    fault: Fault, shop: Shop, proxy: Proxy, records: Records
) -> None:
    order_id = await shop.placed(token="pm_card_visa")
    await shop.authorize(order_id)
    proxy.fails("cancel", fault)
    with pytest.raises(OutcomeUnknown):
        await shop.reverse(order_id)
    assert await shop.reverse(order_id) is Reversal.DONE

    assert records.effects(order_id) == ["released 3000 eur"]


async def test_a_worker_that_died_while_it_asked_finds_what_stripe_did(shop: Shop, records: Records) -> None:
    order_id = await shop.placed(token="pm_card_visa")
    key = await shop.intend(order_id, OperationKind.AUTHORIZE, "stripe")
    form = {
        "amount": "3000",
        "currency": "eur",
        "capture_method": "manual",
        "payment_method": "pm_card_visa",
        "confirm": "true",
        "metadata[order_id]": str(order_id),
        "metadata[authorize]": key,
    }
    records.made("/v1/payment_intents", form)
    await shop.authorize(order_id)

    assert await _states(shop, order_id) == {"authorize": "done"}
    assert records.effects(order_id) == ["succeeded 3000 eur"]


async def test_what_a_lost_ledger_has_forgotten_is_found_at_stripe(
    shop: Shop, proxy: Proxy, records: Records, database: Database
) -> None:
    order_id = await shop.placed(token="pm_card_visa")
    await shop.authorize(order_id)
    await shop.capture(order_id)
    unheard_of = await shop.placed()
    async with database.statement() as connection:
        empty = await recovery.ledger(connection, unheard_of)
    async with gateway_at(proxy.url) as gateway:
        books = PaymentRecords(gateway, "stripe")
        found = [(entry.kind.value, entry.n, entry.refusal) for entry in await books.found(order_id, empty)]
        none = [entry for entry in await books.found(unheard_of, empty) if not entry.is_forgotten]

    assert found == [("authorize", 1, None), ("capture", 1, None)]
    assert none == []


async def test_less_than_was_asked_for_is_never_taken_for_all_of_it(shop: Shop, records: Records) -> None:
    order_id = await shop.placed(token="pm_card_visa")
    await shop.authorize(order_id)
    (payment,) = records.payments(order_id)
    records.made(f"/v1/payment_intents/{payment['id']}/capture", {"amount_to_capture": "1000"})

    for _ in range(3):
        with pytest.raises(UnexpectedAnswer):
            await shop.capture(order_id)
    assert (await shop.warehouse.order(order_id)).captured == 0


async def test_money_in_a_currency_with_other_units_is_the_same_on_both_sides(shop: Shop, records: Records) -> None:
    order_id = await shop.placed(token="pm_card_visa")
    amount = Money(500, "ISK")
    await shop.authorize(order_id, amount=amount)

    assert records.effects(order_id) == ["succeeded 50000 isk"]
    assert (await shop.warehouse.order(order_id)).authorized == amount.amount
