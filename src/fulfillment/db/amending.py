"""
What callers may change about an order that has not got far yet: its lines, and where it goes.
"""

from dataclasses import asdict
from typing import Any

from fulfillment.contracts.orders import Line
from fulfillment.contracts.steps import AmendOrder, Changed, ReaddressOrder
from fulfillment.db import holds, lines
from fulfillment.db.changes import Change, Fact, apply
from fulfillment.db.engine import Reading, Writing
from fulfillment.db.locked_orders import LockedOrder, lock
from fulfillment.domain.errors import PreconditionFailed
from fulfillment.domain.events import EventKind
from fulfillment.domain.inventory import difference, refusal
from fulfillment.domain.money import Money, total
from fulfillment.domain.orders import OrderStatus, StockState

_AMENDABLE = (OrderStatus.AWAITING_APPROVAL, OrderStatus.AWAITING_PAYMENT)
_READDRESSABLE = (*_AMENDABLE, OrderStatus.PROCESSING)


async def amend(connection: Writing, request: AmendOrder) -> Changed:
    """
    Replace the lines and hold their stock, or refuse and change nothing.

    Raises:
        OutOfStep: the order is where its lines cannot be replaced.
    """
    key = f"amended:{request.n}"
    locked = await lock(connection, request.order_id, key, _AMENDABLE)
    if locked.done:
        return locked.changed()
    if locked.is_outdated(request.change.expected_version):
        return locked.changed(PreconditionFailed.code)
    reading = Reading(connection)
    held = await lines.demand_of(reading, request.order_id) if locked.stock is StockState.HELD else {}
    wanted = lines.demand(request.change.lines)
    available = await holds.lock_available(connection, {*held, *wanted})
    # What the order holds itself is its own to use.
    if refused := refusal(wanted, {sku: free + held.get(sku, 0) for sku, free in available.items()}):
        return locked.changed(refused)
    await lines.remove(reading, request.order_id)
    movement = f"{request.order_id}:amend:{request.n}"
    change = _amendment(request, key, locked)
    more, less = difference(held, wanted)
    await apply(reading, change, lines.write(request.change.lines), *holds.exchange(more, less, movement))
    status = change.path[-1] if change.path else locked.status
    return Changed(status=status, total=_total(request.change.lines), version=locked.version + 1)


def _amendment(request: AmendOrder, key: str, locked: LockedOrder) -> Change:
    new = _total(request.change.lines)
    values: dict[str, Any] = {"total": new.amount, "currency": new.currency, "stock": StockState.HELD}
    is_free = new.amount == 0
    if is_free:
        values |= dict.fromkeys(("payment_method", "payment_token", "payment_token_key"))
    fact = Fact(
        kind=EventKind.ORDER_AMENDED,
        key=key,
        actor=request.change.actor,
        data={"old_total": asdict(locked.total), "new_total": asdict(new)},
    )
    return Change(
        order_id=request.order_id,
        facts=(fact,),
        path=(OrderStatus.PROCESSING,) if is_free else (),
        during=(locked.status,),
        values=values,
    )


async def readdress(connection: Writing, request: ReaddressOrder) -> Changed:
    """
    Replace the address, or refuse and change nothing.

    Raises:
        OutOfStep: the order is where its address cannot be replaced.
    """
    change, key = request.change, f"readdressed:{request.n}"
    locked = await lock(connection, request.order_id, key, _READDRESSABLE)
    if locked.done:
        return locked.changed()
    if locked.is_outdated(change.expected_version):
        return locked.changed(PreconditionFailed.code)
    fact = Fact(kind=EventKind.ADDRESS_CHANGED, key=key, actor=change.actor, data={"country": change.address.country})
    readdressed = Change(
        order_id=request.order_id,
        facts=(fact,),
        during=(locked.status,),
        values={"shipping_address": asdict(change.address)},
    )
    await apply(Reading(connection), readdressed)
    return Changed(status=locked.status, total=locked.total, version=locked.version + 1)


def _total(new: tuple[Line, ...]) -> Money:
    return total((line.unit_price.times(line.quantity) for line in new), new[0].unit_price.currency)
