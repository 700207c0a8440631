"""
What callers may change about an order that has not got far yet: its lines, and where it goes.
"""

from dataclasses import asdict, replace
from typing import Any

from fulfillment.contracts.orders import Line
from fulfillment.contracts.steps import AmendOrder, Changed, ReaddressOrder
from fulfillment.db import asking, holds, lines
from fulfillment.db.changes import Change, Effect, Fact, apply
from fulfillment.db.engine import Reading, Writing
from fulfillment.db.locked_orders import LockedOrder, lock
from fulfillment.db.reconsidering import Reconsidered, Wanted, amended, readdressed
from fulfillment.domain.approval_policy import Policy
from fulfillment.domain.errors import OrderNotAmendable, PreconditionFailed
from fulfillment.domain.events import EventKind
from fulfillment.domain.inventory import difference, refusal
from fulfillment.domain.money import Money, total
from fulfillment.domain.orders import OrderStatus, StockState

_AMENDABLE = (OrderStatus.AWAITING_APPROVAL, OrderStatus.AWAITING_PAYMENT)
_READDRESSABLE = (*_AMENDABLE, OrderStatus.PROCESSING)


async def amend(connection: Writing, policy: Policy, request: AmendOrder) -> Changed:
    """
    Replace the lines and hold their stock, or refuse and change nothing.

    Raises:
        OutOfStep: the order is where its lines cannot be replaced.
    """
    key, change = f"amended:{request.n}", request.change
    locked = await lock(connection, request.order_id, key, _AMENDABLE)
    if locked.done or locked.is_outdated(change.expected_version):
        return await _unchanged(connection, locked, None if locked.done else PreconditionFailed.code)
    reading = Reading(connection)
    held = await lines.demand_of(reading, request.order_id) if locked.stock is StockState.HELD else {}
    wanted = lines.demand(change.lines)
    available = await holds.lock_available(connection, {*held, *wanted})
    # What the order holds itself is its own to use.
    if refused := refusal(wanted, {sku: free + held.get(sku, 0) for sku, free in available.items()}):
        return await _unchanged(connection, locked, refused)
    asked_for = Wanted(total=_total(change.lines), demand=wanted, address=locked.address, actor=change.actor)
    outcome = await amended(connection, policy, locked, asked_for)
    if outcome.refused:
        return await _unchanged(connection, locked, OrderNotAmendable.code)
    await lines.remove(reading, request.order_id)
    more, less = difference(held, wanted)
    moved = holds.exchange(more, less, f"{request.order_id}:amend:{request.n}")
    written = _amendment(request, key, locked)
    return await _make(connection, locked, written, outcome, lines.write(change.lines), *moved)


def _amendment(request: AmendOrder, key: str, locked: LockedOrder) -> Change:
    new = _total(request.change.lines)
    values: dict[str, Any] = {"total": new.amount, "currency": new.currency, "stock": StockState.HELD}
    if new.amount == 0:
        values |= dict.fromkeys(("payment_method", "payment_token", "payment_token_key"))
    fact = Fact(
        kind=EventKind.ORDER_AMENDED,
        key=key,
        actor=request.change.actor,
        data={"old_total": asdict(locked.total), "new_total": asdict(new)},
    )
    return Change(order_id=request.order_id, facts=(fact,), during=(locked.status,), values=values)


async def readdress(connection: Writing, policy: Policy, request: ReaddressOrder) -> Changed:
    """
    Replace the address, or refuse and change nothing.

    Raises:
        OutOfStep: the order is where its address cannot be replaced.
    """
    change, key = request.change, f"readdressed:{request.n}"
    locked = await lock(connection, request.order_id, key, _READDRESSABLE)
    if locked.done or locked.is_outdated(change.expected_version):
        return await _unchanged(connection, locked, None if locked.done else PreconditionFailed.code)
    address, outcome = asdict(change.address), Reconsidered()
    if address["country"] != locked.address["country"] or policy.risk.unusual_address:
        held = await lines.demand_of(Reading(connection), request.order_id)
        asked_for = Wanted(total=locked.total, demand=held, address=address, actor=change.actor)
        outcome = await readdressed(connection, policy, locked, asked_for)
    if outcome.refused:
        return await _unchanged(connection, locked, OrderNotAmendable.code)
    fact = Fact(kind=EventKind.ADDRESS_CHANGED, key=key, actor=change.actor, data={"country": address["country"]})
    written = Change(
        order_id=request.order_id, facts=(fact,), during=(locked.status,), values={"shipping_address": address}
    )
    return await _make(connection, locked, written, outcome)


async def _make(
    connection: Writing, locked: LockedOrder, change: Change, outcome: Reconsidered, *effects: Effect
) -> Changed:
    """Write a change down, with what it means for the order's approval."""
    if outcome.path or outcome.asks:
        await asking.make_void(connection, locked.id)
    asks = (outcome.asks.effect(),) if outcome.asks else ()
    written = replace(
        change,
        facts=(*change.facts, *outcome.facts(change.facts[0].key)),
        path=outcome.path,
        values={**change.values, **outcome.values},
    )
    await apply(Reading(connection), written, *effects, *asks)
    status = outcome.path[-1] if outcome.path else locked.status
    approval = outcome.asks.asked if outcome.asks else await asking.awaited(connection, locked.id, status)
    total = Money(
        written.values.get("total", locked.total.amount), written.values.get("currency", locked.total.currency)
    )
    return Changed(status=status, total=total, version=locked.version + 1, approval=approval)


async def _unchanged(connection: Writing, locked: LockedOrder, refused: str | None) -> Changed:
    """A change that is refused, or made already."""
    return locked.changed(refused, await asking.awaited(connection, locked.id, locked.status))


def _total(new: tuple[Line, ...]) -> Money:
    return total((line.unit_price.times(line.quantity) for line in new), new[0].unit_price.currency)
