"""
Whatever orders do to the stock, and in which order: figures stay within bounds (I1) and movements add up (I2).
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fulfillment.contracts.orders import Line
from fulfillment.contracts.steps import PlacementOutcome
from fulfillment.domain.orders import OrderStatus
from tests.fakes.orders import a_line, an_order
from tests.fakes.warehouse import Warehouse

# What happens to the n-th order it can happen to (modulo their number), or with so many pieces.
HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["place", "place", "amend", "reject", "pick_up", "continue", "reship", "release_again"]),
        st.integers(1, 4),
    ),
    max_size=14,
)


@dataclass
class Model:
    on_hand: int
    held: dict[UUID, int] = field(default_factory=dict)
    left: dict[UUID, int] = field(default_factory=dict)
    rejected: list[UUID] = field(default_factory=list)
    parcels: Counter[UUID] = field(default_factory=Counter)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def figures(self) -> tuple[int, int]:
        return self.on_hand, sum(self.held.values())

    def fits(self, pieces: int, instead_of: int = 0) -> bool:
        return sum(self.held.values()) - instead_of + pieces <= self.on_hand

    def leaves(self, order_id: UUID) -> int:
        """The parcel that leaves."""
        pieces = self.left[order_id] = self.held.pop(order_id)
        self.on_hand -= pieces
        self.parcels[order_id] += 1
        return self.parcels[order_id]


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(on_hand=st.integers(0, 10), happenings=HAPPENINGS)
async def test_whatever_happens_to_orders_their_stock_adds_up(
    warehouse: Warehouse, on_hand: int, happenings: list[tuple[str, int]]
) -> None:
    sku = f"SKU-{uuid4().hex}"
    await warehouse.stocked(**{sku: on_hand})
    model = Model(on_hand)
    for what, n in happenings:
        if what == "place":
            await _place(warehouse, model, sku, n)
        elif what == "release_again":
            for order_id in model.rejected:
                await warehouse.release(order_id)
        elif what == "reship" and model.left:
            await _reship(warehouse, model, list(model.left)[n % len(model.left)])
        elif what != "reship" and model.held:
            await _happen(warehouse, model, what, list(model.held)[n % len(model.held)], a_line(sku, n))
        assert await warehouse.figures(sku) == model.figures


async def _place(warehouse: Warehouse, model: Model, sku: str, pieces: int) -> None:
    order = an_order(a_line(sku, pieces))
    placement = await warehouse.place(order)
    fits = model.fits(pieces)
    assert placement.outcome is (PlacementOutcome.PLACED if fits else PlacementOutcome.REJECTED)
    if fits:
        model.held[order.order_id] = pieces


async def _reship(warehouse: Warehouse, model: Model, order_id: UUID) -> None:
    await warehouse.become(order_id, OrderStatus.NEEDS_ATTENTION)
    changed = await warehouse.reship(order_id, next(model.numbers))
    fits = model.fits(model.left[order_id])
    assert (changed.refusal is None) is fits
    if fits:
        model.held[order_id] = model.left.pop(order_id)


async def _happen(warehouse: Warehouse, model: Model, what: str, order_id: UUID, line: Line) -> None:
    if what == "amend":
        await warehouse.become(order_id, OrderStatus.AWAITING_PAYMENT)
        changed = await warehouse.amend(order_id, line, n=next(model.numbers))
        fits = model.fits(line.quantity, instead_of=model.held[order_id])
        assert (changed.refusal is None) is fits
        if fits:
            model.held[order_id] = line.quantity
    elif what == "reject":
        await warehouse.become(order_id, OrderStatus.PROCESSING)
        await warehouse.begin_rejection(order_id)
        await warehouse.release(order_id)
        del model.held[order_id]
        model.rejected.append(order_id)
    elif what == "pick_up":
        await warehouse.become(order_id, OrderStatus.AWAITING_SHIPMENT)
        await warehouse.hear(order_id, "picked_up", OrderStatus.AWAITING_SHIPMENT, n=model.leaves(order_id))
    else:
        await warehouse.become(order_id, OrderStatus.CANCELLING)
        parcel = model.leaves(order_id)
        await warehouse.depart(order_id, OrderStatus.CANCELLING, n=next(model.numbers), parcel=parcel)
