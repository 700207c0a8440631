"""
The carriers parcels are booked with: the first one, and perhaps a second for when it is away.
"""

from dataclasses import dataclass

from fulfillment.activities.providers import Asking
from fulfillment.db.engine import Database
from fulfillment.db.operations import Operation, hand_on
from fulfillment.gateways.carriers import Carrier


class UnknownCarrier(Exception):
    """
    The ledger names a carrier that is not configured (any more), and nobody else can say what became of its parcel.

    Not a `DomainError`, which would be final: the step is tried again and alerted until the carrier is back.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"a parcel is with the carrier {name}: configure it until its last order has ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """A carrier by its name in the ledger, the way to it, and how it is asked."""

    name: str
    gateway: Carrier
    asking: Asking


class Carriers:
    """
    The first carrier, and one that takes over the bookings the first one fails `failures` times, or at once while it is
    not asked because it keeps failing.
    """

    def __init__(self, database: Database, first: Partner, second: Partner | None = None, *, failures: int = 1) -> None:
        self._database = database
        self._failures = failures
        self.first = first
        self.second = second

    @property
    def all(self) -> tuple[Partner, ...]:
        """The second one first: what is known to both, the second has done last."""
        return (self.second, self.first) if self.second else (self.first,)

    def called(self, name: str) -> Partner:
        """
        The carrier the ledger names.

        Raises:
            UnknownCarrier: there is none.
        """
        for partner in self.all:
            if partner.name == name:
                return partner
        raise UnknownCarrier(name)

    def is_second(self, name: str) -> bool:
        """Whether a parcel with this carrier is there because the first one was away."""
        return self.second is not None and self.second.name == name

    async def to_book(self, operation: Operation) -> Partner:
        """
        Who is asked for a parcel: the carrier the ledger names, or from now on the second one. It is never handed on
        where the first one may have booked it, not to one that keeps failing itself, and never back.
        """
        named = self.called(operation.provider)
        if self.second is None or named is self.second or self.second.asking.holds_back:
            return named
        if operation.failures < self._failures and not named.asking.holds_back:
            return named
        async with self._database.statement() as connection:
            return self.called(await hand_on(connection, operation.key, named.name, self.second.name))
