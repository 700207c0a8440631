"""
The composition root: settings in, connected parts out. The only place that knows the concrete classes.
"""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx2
from temporalio.client import Client
from temporalio.runtime import Runtime

from fulfillment.activities.approvals import SqlApprovalActivities
from fulfillment.activities.carriers import Carriers, Partner
from fulfillment.activities.circuit import Circuit, reporting
from fulfillment.activities.new_orders import NewOrders
from fulfillment.activities.orders import SqlOrderActivities
from fulfillment.activities.payments import LedgeredPaymentActivities
from fulfillment.activities.providers import Asking
from fulfillment.activities.recovery import CarrierRecords, LedgeredRecoveryActivities, PaymentRecords
from fulfillment.activities.shipping import LedgeredShippingActivities
from fulfillment.contracts.approvals import ApprovalActivities
from fulfillment.contracts.converter import data_converter
from fulfillment.contracts.encryption import Cipher
from fulfillment.contracts.naming import TaskQueue
from fulfillment.contracts.options import attempts_within
from fulfillment.contracts.orders import Terms
from fulfillment.contracts.payments import PaymentActivities
from fulfillment.contracts.recovery import RecoveryActivities
from fulfillment.contracts.shipping import ShippingActivities
from fulfillment.contracts.steps import OrderActivities
from fulfillment.db.engine import Database, connect
from fulfillment.domain.errors import CarrierUnavailable
from fulfillment.gateways.carriers import HttpCarrier
from fulfillment.gateways.http import ProviderClient
from fulfillment.gateways.payments import HttpPaymentGateway, PaymentGateway
from fulfillment.gateways.stripe_extra import stripe_gateway
from fulfillment.gateways.stripe_reader import stripe_reader
from fulfillment.inbound_events import ReadEvent
from fulfillment.process import CannotListen
from fulfillment.settings import Internal, Orders, Settings
from fulfillment.settings import Worker as WorkerSettings
from fulfillment.settings.providers import Carriers as CarrierSettings
from fulfillment.settings.providers import Payments
from fulfillment.telemetry.health import Health
from fulfillment.telemetry.internal import InternalServer
from fulfillment.temporal_profile import TemporalUnreachable, load_profile

_CONNECT_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activities:
    """The implementations a worker process is wired with."""

    orders: OrderActivities
    approvals: ApprovalActivities
    payments: PaymentActivities
    shipping: ShippingActivities
    recovery: RecoveryActivities


@contextmanager
def internal_server(internal: Internal, health: Health, sdk_metrics_url: str) -> Iterator[None]:
    """
    Probes and metrics of a process, for as long as the block runs.

    Raises:
        CannotListen: the address is taken.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(InternalServer(internal, health, sdk_metrics_url))
        except OSError as error:
            raise CannotListen(internal.host, internal.port, "FULFILLMENT_INTERNAL__PORT", error) from error
        yield


@asynccontextmanager
async def open_database(settings: Settings, *, application: str) -> AsyncIterator[Database]:
    """The connection pool of a process, closed at the end of the block."""
    database = connect(settings.database, application=f"fulfillment-{application}")
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def temporal_client(settings: Settings, runtime: Runtime | None = None) -> AsyncIterator[Client]:
    """
    A connected client with the service's converter.

    Raises:
        TemporalConfigurationError: see `load_profile`.
        TemporalUnreachable: nobody answers at its address.
    """
    keys = settings.encryption.ring() if settings.encryption.payloads else None
    profile = load_profile()
    try:
        client = await Client.connect(
            **profile, data_converter=data_converter(keys), runtime=runtime, connect_timeout=_CONNECT_TIMEOUT
        )
    except RuntimeError as error:
        raise TemporalUnreachable(profile.get("target_host", "")) from error
    try:
        yield client
    finally:
        # A client that lives until the interpreter exits crashes one exit in three: let go of it and collect now.
        del client
        gc.collect()


@asynccontextmanager
async def activities(settings: Settings, database: Database) -> AsyncIterator[Activities]:
    """The activities, with one pool of HTTP connections to the providers."""
    cipher = Cipher(settings.encryption.ring())
    async with (
        httpx2.AsyncClient(follow_redirects=False) as http,
        _payment_gateway(settings.payments, http) as gateway,
    ):
        lived_by, policy = terms(settings.orders), settings.approvals.effective()
        circuit = _circuit(settings.worker, TaskQueue.PAYMENTS, settings.payments.name)
        carriers = _carriers(settings, database, http)
        yield Activities(
            orders=SqlOrderActivities(database, cipher, lived_by, settings.orders.attention_window, policy),
            approvals=SqlApprovalActivities(database),
            payments=LedgeredPaymentActivities(database, gateway, cipher, settings.payments.name, circuit),
            shipping=LedgeredShippingActivities(database, carriers),
            recovery=LedgeredRecoveryActivities(
                database,
                NewOrders(cipher, lived_by, policy),
                PaymentRecords(gateway, settings.payments.name),
                CarrierRecords(carriers),
            ),
        )


@asynccontextmanager
async def _payment_gateway(payments: Payments, http: httpx2.AsyncClient) -> AsyncIterator[PaymentGateway]:
    """
    The way to the payment provider that is chosen.

    Raises:
        StripeNotInstalled: it is Stripe, and its package is not there.
    """
    if payments.adapter == "stripe" and payments.stripe is not None:
        async with stripe_gateway(payments, payments.stripe) as gateway:
            yield gateway
    else:
        client = ProviderClient(http, provider="payment provider", url=payments.url, timeout=payments.timeout)
        yield HttpPaymentGateway(client)


def foreign_events(payments: Payments) -> ReadEvent | None:
    """
    How events of the payment provider are read if their form is its own; None: they are Standard Webhooks.

    Raises:
        StripeNotInstalled: the extra is missing.
    """
    if payments.adapter != "stripe" or payments.webhook_secret is None:
        return None
    return stripe_reader(payments.webhook_secret.get_secret_value())


def _carriers(settings: Settings, database: Database, http: httpx2.AsyncClient) -> Carriers:
    def partner(of: CarrierSettings, called: str) -> Partner:
        client = ProviderClient(http, provider=called, url=of.url, timeout=of.timeout)
        circuit = _circuit(settings.worker, TaskQueue.SHIPPING, of.name)
        return Partner(name=of.name, gateway=HttpCarrier(client), asking=Asking(database, CarrierUnavailable, circuit))

    first, second = partner(settings.carriers, "carrier"), settings.carriers.fallback
    if second is None:
        return Carriers(database, first)
    return Carriers(database, first, partner(second, "second carrier"), failures=second.after_failures)


def _circuit(worker: WorkerSettings, queue: TaskQueue, provider: str) -> Circuit:
    return Circuit(failures=worker.circuit_failures, pause=worker.circuit_pause, changed=reporting(queue, provider))


def terms(orders: Orders) -> Terms:
    """What orders placed from now on live by."""
    return Terms(
        payment_window=orders.payment_window,
        hand_over_window=orders.hand_over_window,
        delivery_window=orders.delivery_window,
        retry_payment=orders.retry_payment,
        provider_failures=attempts_within(orders.provider_patience),
        capture_failures=attempts_within(orders.capture_patience),
        undo_failures=attempts_within(orders.undo_patience),
        key_memory=orders.key_memory,
        second_look=orders.second_look,
    )
