"""
What callers and operators ask of a running order: the arguments and results of its Updates.

Each Update is validated before it is accepted; its refusal is a domain error.
"""

from dataclasses import dataclass, field

from fulfillment.contracts.orders import Address, Card, Line
from fulfillment.domain.attention import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """
    Update `cancel`: somebody does not want the order any more. Returns when it is recorded, before anything is undone.
    """

    actor: str
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pay:
    """
    Update `pay`: a card for an order that waits for one. Returns when it is recorded.

    `key` names the request (the id of the Update), `fingerprint` its body.
    """

    card: Card
    actor: str
    key: str
    fingerprint: str
    fingerprint_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRecorded:
    """What the key of a payment stands for: repeated for every request with the same key."""

    fingerprint: str
    fingerprint_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """
    Update `amend`: replace all lines. Returns when the stock is held anew; `expected_version` is that of `If-Match`.
    """

    lines: tuple[Line, ...]
    actor: str
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readdress:
    """Update `readdress`: send the parcel somewhere else. Returns when it is written down."""

    address: Address
    actor: str
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """
    Update `act`: an operator's answer to the question of an order that needs attention. Returns when it is written
    down. `provider_reference` goes with `it_happened`: what the provider calls the authorisation or the parcel.
    """

    action: Action
    actor: str
    reason: str = field(repr=False)
    provider_reference: str | None = None
