"""
How fast it was, from the service's own timeline.
"""

from dataclasses import dataclass

from sqlalchemy import text

from fulfillment.db.engine import Database
from fulfillment.local.demo.progress import Board

_PAID_AND_BOOKED = text(
    """
    SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM ready.at - orders.accepted_at))
    FROM orders JOIN order_events AS ready ON ready.order_id = orders.id
    WHERE ready.kind = CASE WHEN orders.total > 0 THEN 'payment_captured' ELSE 'shipment_booked' END
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """
    Attributes:
        orders: those the service accepted.
        seconds: from the first acceptance to the last change of any order.
        paid_and_booked: median and 95th percentile of the seconds from acceptance on, if any got there.
    """

    orders: int
    seconds: float
    paid_and_booked: tuple[float, float] | None

    @property
    def orders_per_second(self) -> float:
        """All the way to their ends."""
        return self.orders / self.seconds if self.seconds else 0.0


async def measure(board: Board, database: Database) -> Figures:
    """The figures of what has just run on an empty database."""
    async with database.statement() as connection:
        percentiles = (await connection.execute(_PAID_AND_BOOKED)).scalar_one()
    seen = [progress.seen for progress in board.all if progress.seen]
    began = min((order.accepted_at for order in seen), default=None)
    ended = max((order.updated_at for order in seen), default=None)
    return Figures(
        orders=len(seen),
        seconds=(ended - began).total_seconds() if began and ended else 0.0,
        paid_and_booked=(float(percentiles[0]), float(percentiles[1])) if percentiles else None,
    )
