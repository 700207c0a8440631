"""
Whatever orders do to the stock, and in which order: figures stay within bounds (I1) and movements add up (I2).
"""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fulfillment.contracts.orders import PlacementOutcome
from fulfillment.domain.orders import OrderStatus
from tests.fakes.orders import a_line, an_order
from tests.fakes.warehouse import Warehouse

# What happens to the n-th order still open (modulo their number); `place` opens one more of so many pieces.
HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["place", "place", "reject", "pick_up", "release_again"]), st.integers(1, 4)), max_size=14
)


@dataclass
class Model:
    on_hand: int
    held: dict[UUID, int] = field(default_factory=dict)
    rejected: list[UUID] = field(default_factory=list)

    @property
    def figures(self) -> tuple[int, int]:
        return self.on_hand, sum(self.held.values())

    def close(self, n: int) -> tuple[UUID, int] | None:
        if not self.held:
            return None
        order_id = list(self.held)[n % len(self.held)]
        return order_id, self.held.pop(order_id)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(on_hand=st.integers(0, 10), happenings=HAPPENINGS)
async def test_holds_releases_and_pick_ups_add_up(
    warehouse: Warehouse, on_hand: int, happenings: list[tuple[str, int]]
) -> None:
    sku = f"SKU-{uuid4().hex}"
    await warehouse.stocked(**{sku: on_hand})
    model = Model(on_hand)
    for what, n in happenings:
        await _happen(warehouse, model, sku, what, n)
        assert await warehouse.figures(sku) == model.figures


async def _happen(warehouse: Warehouse, model: Model, sku: str, what: str, n: int) -> None:
    if what == "place":
        order = an_order(a_line(sku, n))
        placement = await warehouse.place(order)
        fits = sum(model.held.values()) + n <= model.on_hand
        assert placement.outcome is (PlacementOutcome.PLACED if fits else PlacementOutcome.REJECTED)
        if fits:
            model.held[order.order_id] = n
    elif what == "release_again":
        for order_id in model.rejected:
            await warehouse.release(order_id)
    elif (closed := model.close(n)) is not None:
        order_id, pieces = closed
        if what == "reject":
            await warehouse.begin_rejection(order_id)
            await warehouse.release(order_id)
            model.rejected.append(order_id)
        else:
            await warehouse.become(order_id, OrderStatus.AWAITING_SHIPMENT)
            await warehouse.hear(order_id, "picked_up", OrderStatus.AWAITING_SHIPMENT)
            model.on_hand -= pieces
