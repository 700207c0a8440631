"""
Where the choice of Stripe becomes a gateway; nothing of Stripe's is imported before.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fulfillment.gateways.payments import PaymentGateway
from fulfillment.process import CannotStart
from fulfillment.settings.providers import Payments, Stripe

_BROUGHT_BY_THE_EXTRA = {"stripe", "httpx", "anyio"}


class StripeNotInstalled(CannotStart):
    """Stripe is chosen, but its package is not there: starting again will not help."""

    code = 2

    def __init__(self) -> None:
        super().__init__(
            "FULFILLMENT_PAYMENTS__ADAPTER is stripe, which needs the extra `stripe`: "
            "pip install 'order-fulfillment[stripe]'"
        )


@asynccontextmanager
async def stripe_gateway(payments: Payments, stripe: Stripe) -> AsyncIterator[PaymentGateway]:
    """
    A gateway to Stripe with a pool of connections of its own, closed at the end of the block.

    Raises:
        StripeNotInstalled: the extra is missing.
    """
    try:
        from stripe import HTTPXClient, StripeClient  # noqa: PLC0415 - only who chose Stripe has it, and waits for it

        from fulfillment.gateways.stripe import StripeGateway  # noqa: PLC0415
        from fulfillment.gateways.stripe_calls import Deadline  # noqa: PLC0415

        deadline = Deadline(payments.timeout)
        http = HTTPXClient(timeout=deadline.phases)
    except ModuleNotFoundError as error:
        if error.name not in _BROUGHT_BY_THE_EXTRA:
            raise
        raise StripeNotInstalled from error
    # Temporal repeats steps, at its own pace and after looking up what happened: the package does not repeat calls.
    client = StripeClient(
        stripe.secret_key.get_secret_value(),
        base_addresses={"api": payments.url.rstrip("/")},
        http_client=http,
        max_network_retries=0,
    )
    try:
        yield StripeGateway(client, deadline, stripe.return_url)
    finally:
        await http.close_async()  # type: ignore[no-untyped-call]
