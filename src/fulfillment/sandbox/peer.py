"""
The sandbox put together: provider, carrier, faults, and what runs beside the requests.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

import httpx2
import structlog

from fulfillment.sandbox import events
from fulfillment.sandbox.answers import Answers
from fulfillment.sandbox.exchange import Exchange
from fulfillment.sandbox.faults import Control, Faults
from fulfillment.sandbox.outbox import Outbox
from fulfillment.sandbox.parcels import Carrier
from fulfillment.sandbox.payment_news import PaymentNews
from fulfillment.sandbox.payments import PaymentProvider
from fulfillment.sandbox.settings import SandboxSettings
from fulfillment.sandbox.store import Store

TICK_SECONDS = 0.1

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Peer:
    """
    What the routes work with.
    """

    store: Store
    provider: PaymentProvider
    payment_news: PaymentNews
    carrier: Carrier
    outbox: Outbox
    faults: Faults
    exchange: Exchange

    def control(self, control: Control) -> Control:
        """
        Put these faults in force, also after a restart.
        """
        self.store.execute("INSERT OR REPLACE INTO control (id, body) VALUES (1, ?)", (control.model_dump_json(),))
        self.faults.control = control
        return self.faults.control


@asynccontextmanager
async def open_peer(settings: SandboxSettings, stopping: asyncio.Event) -> AsyncIterator[Peer]:
    """
    Open the state and run what runs beside the requests; `stopping` ends the connections that are held.
    """
    client = httpx2.AsyncClient(
        timeout=events.TIMEOUT_SECONDS, limits=httpx2.Limits(max_connections=events.CONCURRENCY), trust_env=False
    )
    with closing(Store(settings.state)) as store:
        answers, outbox = Answers(store), Outbox(store)
        faults = Faults(_stored_control(store), settings.seed)
        peer = Peer(
            store=store,
            provider=PaymentProvider(store, answers, settings.late_after, settings.public),
            payment_news=PaymentNews(store, outbox),
            carrier=Carrier(store, answers, outbox),
            outbox=outbox,
            faults=faults,
            exchange=Exchange(answers, faults, stopping),
        )
        secret = settings.carrier_secret.get_secret_value()
        async with client:
            urls = {"parcel": str(settings.events_url), "payment": str(settings.payment_events_url)}
            pusher = events.EventPusher(outbox, faults, client, urls, secret)
            loops = [
                asyncio.create_task(_keep_running(pusher.run)),
                asyncio.create_task(_keep_running(lambda: _tick(peer, settings))),
            ]
            try:
                yield peer
            finally:
                for loop in loops:
                    loop.cancel()
                await asyncio.wait(loops)


def _stored_control(store: Store) -> Control:
    row = store.one("SELECT body FROM control")
    return Control.model_validate_json(row["body"]) if row else Control()


async def _tick(peer: Peer, settings: SandboxSettings) -> None:
    while True:
        peer.provider.do_due()
        if settings.transit:
            peer.carrier.advance_rested(settings.transit)
        await asyncio.sleep(TICK_SECONDS)


async def _keep_running(loop: Callable[[], Awaitable[None]]) -> None:
    """
    Start a loop again a second after it failed: a full disk must not end the pushing of events for good.
    """
    while True:
        try:
            await loop()
        except Exception:  # noqa: BLE001 (whatever it is, it is logged and the loop goes on)
            _log.exception("sandbox_loop_failed")
            await asyncio.sleep(1)
