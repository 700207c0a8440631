"""
Who may do what: the scopes of the API, and those who hold them.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import NAMESPACE_URL, uuid5


class Scope(StrEnum):
    """What a caller may be allowed to do. A scope is only ever added; what it allows is never widened silently."""

    ORDERS_PLACE = "orders:place"
    """For systems that own prices: place orders, and change the lines of those not yet paid."""
    ORDERS_READ = "orders:read"
    ORDERS_CHANGE = "orders:change"
    INVENTORY_READ = "inventory:read"
    INVENTORY_WRITE = "inventory:write"
    APPROVALS_READ = "approvals:read"
    APPROVALS_DECIDE = "approvals:decide"
    OPERATIONS = "operations"
    """Attention, the operations ledger, recovery, schedules, reports, test orders."""
    ADMIN = "admin"
    """Keys and endpoints."""


CUSTOMER_SCOPES = frozenset({Scope.ORDERS_READ, Scope.ORDERS_CHANGE})
"""All that a caller bound to one customer can ever have: it reads, pays and cancels its own orders."""


ROLE_FORM = "1 to 63 of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit"
_ROLE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def is_role(text: str) -> bool:
    """Whether a role can be called this, wherever it comes from: a key, a token or the settings."""
    return _ROLE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """
    Somebody whose credentials were good.

    `id` is the actor on the timeline and owns idempotency keys, so it is the same for all rotations of an API key and
    all tokens of a subject. A principal with a `customer_id` sees that customer's orders alone, and has no scope
    beyond `CUSTOMER_SCOPES`, whatever it was given.
    """

    id: str
    scopes: frozenset[Scope]
    roles: frozenset[str] = field(default_factory=frozenset)
    customer_id: str | None = None

    def __post_init__(self) -> None:
        if self.customer_id is not None:
            object.__setattr__(self, "scopes", self.scopes & CUSTOMER_SCOPES)

    @property
    def label(self) -> str:
        """The caller in logs: a subject of an issuer may be a person, so its name stays out."""
        return self.id if self.id.startswith("key:") else f"jwt:{uuid5(NAMESPACE_URL, self.id)}"

    def sees_orders_of(self, customer_id: str) -> bool:
        """Whether the orders of this customer exist for them."""
        return self.customer_id in (None, customer_id)
