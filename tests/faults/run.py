"""
One cell: an order on its way to the step, the fault, and the books after its end.
"""

import asyncio
from collections.abc import Iterable, Mapping

from fulfillment.local.callers import SHOP
from tests.faults.matrix import Cell, Fault, Step
from tests.faults.plans import Plan, Plans, Play
from tests.faults.shop import ON_HAND, QUANTITY, TOTAL, Json, Shop
from tests.faults.stand import CALL, STATEMENT
from tests.fixtures.identity import order_of

_PLAYS: Mapping[Fault, tuple[Play, int | None]] = {
    Fault.CUT: (Play.CUT, 1),
    Fault.LOST: (Play.LOSE, 1),
    Fault.LATE: (Play.LATE, 1),
    Fault.REFUSED: (Play.REFUSE, 1),
    Fault.GIVEN_UP: (Play.REFUSE, 1),
    Fault.TOO_LATE: (Play.PASS, None),
    Fault.FLAKY: (Play.UNAVAILABLE, 2),
    Fault.AWAY: (Play.UNAVAILABLE, None),
    Fault.KILLED_BEFORE: (Play.HOLD, None),
    Fault.KILLED_AFTER: (Play.HOLD_DONE, None),
    Fault.CANCELLED_IN_FLIGHT: (Play.HOLD, None),
    Fault.CANCELLED_LOST: (Play.HOLD_DONE, None),
    Fault.CANCELLED_LATE: (Play.LATE, 1),
    Fault.CANCELLED_IN_BACKOFF: (Play.UNAVAILABLE, None),
}
# A database step goes remote after three local attempts.
_LOCAL_ATTEMPTS = 3
_SOON = 60.0
_AT_LAST = 120.0
_FINAL = ("delivered", "cancelled", "rejected", "returned")


class Wrong(Exception):
    """The cell's rule does not hold."""


class Batch:
    """Those who wait for the workers to be killed: once for all of them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._missing = set(names)
        self.complete = asyncio.Event()
        self.killed = asyncio.Event()

    def joined(self, name: str) -> None:
        """One more is in flight, or will never be."""
        self._missing.discard(name)
        if not self._missing:
            self.complete.set()


class CellRun:
    """Takes the order of one cell to its end."""

    def __init__(self, cell: Cell, shop: Shop, plans: Plans, batch: Batch | None = None) -> None:
        self._cell = cell
        self._shop = shop
        self._plans = plans
        self._batch = batch
        self._sku = cell.name.replace("/", "-").replace("_", "-").upper()
        self.order_id = str(order_of(SHOP, self._sku))
        self._answered: str | None = None

    async def run(self) -> None:
        """
        Run to the end.

        Raises:
            Wrong: the rule of the cell does not hold.
        """
        plan = self._planned()
        try:
            await self._to_the_step()
            await self._disturb(plan)
            await self._answer(plan)
            await self._arrive()
            await plan.rests(_SOON)
        except TimeoutError as error:
            raise Wrong(f"stands still: {self._state()}") from error
        finally:
            if self._batch:
                self._batch.joined(self._cell.name)
        if not plan.met and self._cell.fault is not Fault.TOO_LATE and not self._is_short:
            raise Wrong("the fault was never met")
        await self._check_books()

    @property
    def _is_short(self) -> bool:
        return self._cell.step is Step.PLACE and self._cell.fault is Fault.REFUSED

    def _planned(self) -> Plan:
        cell = self._cell
        play, times = _PLAYS[cell.fault]
        if cell.fault is Fault.FLAKY and cell.step.is_ours:
            times = _LOCAL_ATTEMPTS + 1
        if cell.fault is Fault.GIVEN_UP and cell.step is Step.CAPTURE:
            play, times = Play.UNAVAILABLE, None
        if self._is_short:
            play = Play.PASS
        delay = (STATEMENT if cell.step.is_ours else CALL) + cell.delay
        return self._plans.add(self.order_id, cell.step.operation, Plan(play, times=times, delay=delay))

    async def _to_the_step(self) -> None:
        """Place the order, and cancel it where an undo is what is to fail."""
        step, short = self._cell.step, self._is_short
        await self._shop.count(self._sku, QUANTITY - 1 if short else ON_HAND)
        capture = Plan(Play.UNAVAILABLE)
        if step in (Step.CANCEL_SHIPMENT, Step.VOID):
            self._plans.add(self.order_id, "capture", capture)
        await self._shop.place(
            self._sku,
            pays=step is not Step.RELEASE_STOCK,
            postal_code="TEST-TOO-LATE" if self._cell.fault is Fault.TOO_LATE else None,
        )
        if not step.is_undo:
            return
        if step in (Step.CANCEL_SHIPMENT, Step.VOID):
            await capture.meets(1, _SOON)
        else:
            await self._until("awaiting_shipment" if step is Step.REFUND else "awaiting_payment")
        await self._shop.cancel(self.order_id)
        if self._cell.fault is Fault.TOO_LATE:
            capture.lift()

    async def _disturb(self, plan: Plan) -> None:
        """What happens while the step is under way."""
        fault = self._cell.fault
        if fault.kills:
            await self._be_killed(plan)
        if fault.cancels:
            await plan.meets(self._attempts_before_cancel, _SOON)
            await self._shop.cancel(self.order_id)
            if fault is Fault.CANCELLED_LOST:
                plan.drop()
            elif fault is not Fault.CANCELLED_LATE:
                plan.lift()

    @property
    def _attempts_before_cancel(self) -> int:
        """In a backoff that is long enough to be hit."""
        if self._cell.fault is not Fault.CANCELLED_IN_BACKOFF:
            return 1
        return _LOCAL_ATTEMPTS + 1 if self._cell.step.is_ours else 2

    async def _be_killed(self, plan: Plan) -> None:
        assert self._batch
        await plan.meets(1, _SOON)
        self._batch.joined(self._cell.name)
        await self._batch.killed.wait()
        if self._cell.fault is Fault.KILLED_BEFORE:
            plan.drop()
        else:
            plan.lift()

    async def _answer(self, plan: Plan) -> None:
        """Press the button that the operator would."""
        question = self._cell.end.question
        if question is None:
            return
        order = await self._until("needs_attention")
        if order["attention"]["reason"] != question.reason:
            raise Wrong(f"asks {order['attention']['reason']}, not {question.reason}")
        offered = [action["name"] for action in order["actions"]]
        if question.button not in offered:
            raise Wrong(f"offers {offered}, not {question.button}")
        if self._cell.step is Step.CANCEL_SHIPMENT:
            await self._check_nothing_moved()
        plan.lift()
        if question.button == "resolved_by_hand":
            await self._shop.undo_by_hand(self.order_id, self._cell.step.operation)
        self._answered = order["attention"]["since"]
        await self._shop.press(self.order_id, question.button)

    async def _check_nothing_moved(self) -> None:
        """Behind the gate neither money nor stock has moved."""
        done = [entry["operation"] for entry in await self._shop.ledger(self.order_id)]
        stock = await self._shop.stock(self._sku)
        if done != ["authorize"] or stock != (ON_HAND, QUANTITY):
            raise Wrong(f"parked at the gate with {done} and stock {stock}")

    async def _arrive(self) -> None:
        end = self._cell.end
        if end.status == "delivered":
            await self._until("awaiting_shipment", "shipped")
            await self._shop.deliver(self.order_id)
        order = await self._until(*_FINAL)
        code = order["failure"]["code"] if order["failure"] else None
        if (order["status"], code) != (end.status, end.code):
            raise Wrong(f"ended {order['status']} ({code}), not {end.status} ({end.code})")

    async def _until(self, *statuses: str) -> Json:
        """The order in one of these; a final one that is not among them, or a new question, is the end of hope."""
        order = await self._shop.until(
            self.order_id, lambda order: order["status"] in (*statuses, *_FINAL) or self._asks(order), _AT_LAST
        )
        if order["status"] not in statuses:
            raise Wrong(f"unexpectedly: {self._state()}")
        return order

    def _asks(self, order: Json) -> bool:
        return bool(order["attention"]) and order["attention"]["since"] != self._answered

    async def _check_books(self) -> None:
        delivered = self._cell.end.status == "delivered"
        given_up = self._cell.step if self._cell.fault is Fault.GIVEN_UP else None
        held = ON_HAND - QUANTITY if delivered else QUANTITY - 1 if self._is_short else ON_HAND
        found = {
            "stock": await self._shop.stock(self._sku),
            "money": await self._money(),
            "twice": await self._twice(),
            "parcels": [parcel["status"] for parcel in await self._shop.parcels(self.order_id)],
        }
        must = {
            "stock": (held, 0),
            "money": (
                TOTAL if given_up is Step.VOID else 0,
                TOTAL if delivered or given_up is Step.REFUND else 0,
            ),
            "twice": [],
            "parcels": ["delivered"]
            if delivered
            else ["booked"]
            if given_up is Step.CANCEL_SHIPMENT
            else ["cancelled"] * len(found["parcels"]),
        }
        if wrong := {name: (found[name], must[name]) for name in must if found[name] != must[name]}:
            raise Wrong("; ".join(f"{name} is {is_}, must be {to_be}" for name, (is_, to_be) in wrong.items()))

    async def _money(self) -> tuple[int, int]:
        """Set aside, and taken without being given back."""
        balance = await self._shop.balance(self.order_id)
        return balance["authorized"], balance["captured"] - balance["refunded"]

    async def _twice(self) -> list[str]:
        """What the provider did more than once."""
        done = [entry["operation"] for entry in await self._shop.ledger(self.order_id)]
        return sorted({operation for operation in done if done.count(operation) > 1})

    def _state(self) -> str:
        order = self._shop.last(self.order_id)
        parts = (order.get("status", "not seen"), *(order.get(name) for name in ("failure", "attention")))
        told = (part if isinstance(part, str) else part.get("code") or part.get("reason") for part in parts if part)
        return " ".join(map(str, told))
