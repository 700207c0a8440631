"""
What the routes work with, built once by `server.py` (or a test) and handed to `create_app`.
"""

from dataclasses import dataclass
from typing import Self

from temporalio.client import Client

from fulfillment.api.changes import OrderChanges
from fulfillment.api.decisions import ApprovalDecisions
from fulfillment.api.identity.credentials import Authenticator
from fulfillment.api.intake import OrderIntake
from fulfillment.api.payment_events import payment_events
from fulfillment.api.rate_limits import RateLimits
from fulfillment.api.recovery import OrderRecovery
from fulfillment.api.resignal import InboxSignals
from fulfillment.api.watching import OrderWatcher
from fulfillment.approval_orchestrator import ApprovalOrchestrator
from fulfillment.db.engine import Database
from fulfillment.domain.approval_policy import Policy
from fulfillment.fingerprint import FingerprintRing
from fulfillment.inbound_events import ReadEvent
from fulfillment.orchestrator import OrderOrchestrator
from fulfillment.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResources:
    """Everything outside the process that a request may need, and what is shared between requests."""

    settings: Settings
    policy: Policy
    database: Database
    orders: OrderOrchestrator
    intake: OrderIntake
    changes: OrderChanges
    decisions: ApprovalDecisions
    recovery: OrderRecovery
    watcher: OrderWatcher
    inbox: InboxSignals
    payment_events: ReadEvent | None
    identity: Authenticator
    rate_limits: RateLimits

    @classmethod
    def of(cls, settings: Settings, database: Database, client: Client) -> Self:
        """
        The resources of a process with these connections.

        Raises:
            CannotStart: what the settings ask for is not installed.
        """
        orders = OrderOrchestrator(client)
        fingerprints = FingerprintRing(settings.api.fingerprint_ring())
        changes = OrderChanges(database, orders, fingerprints)
        return cls(
            settings=settings,
            policy=settings.approvals.effective(),
            database=database,
            orders=orders,
            intake=OrderIntake(database, orders, fingerprints),
            changes=changes,
            decisions=ApprovalDecisions(database, ApprovalOrchestrator(client), fingerprints),
            recovery=OrderRecovery(database, orders, changes),
            watcher=OrderWatcher(database),
            inbox=InboxSignals(database, orders, settings.orders.attention_window),
            payment_events=payment_events(settings.payments),
            identity=Authenticator.of(settings),
            rate_limits=RateLimits(settings.limits),
        )
