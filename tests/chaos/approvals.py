"""
People decide about orders while the workers die, and while customers change their minds.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random

from tests.chaos.scenario import Size
from tests.chaos.shop import FINAL, Order
from tests.chaos.stand import ASKS_A_DIRECTOR, ASKS_MANAGERS, FORGOTTEN_AFTER, ORDERS_WORKER, Stand
from tests.chaos.workers import dying

_PATIENCE = 8 * FORGOTTEN_AFTER
_APPROVERS = ("approver_manager", "approver_manager_2", "approver_director")
_SECOND_THOUGHTS = (0.0, 10.0)
_LATER_PRICE = 2 * ASKS_A_DIRECTOR
# Of ten orders one is cancelled, one is amended and one is turned down.
_TENTH = 10
_CANCELLED, _AMENDED, _TURNED_DOWN = 1, 2, 3
_LOOK_EVERY = 0.3
_VOTES = "SELECT approval_id::text, actor, level, state FROM approval_votes WHERE approval_id = ANY($1::uuid[])"
_APPROVALS = "SELECT id::text, order_id::text, n, status FROM approvals WHERE order_id = ANY($1::uuid[])"

Said = dict[tuple[str, str], int]
"""Who was answered with which status about which approval."""


async def approved_while_workers_die(stand: Stand, size: Size, chance: Random) -> None:
    """
    Two managers, and above ten thousand a director, decide about each order; some orders are cancelled, some become
    dearer meanwhile, some are turned down. Each ends where it should, and every vote that was answered counts once.
    """
    tea = await stand.shop.stock(size.orders)
    said: Said = {}
    async with dying(stand, ORDERS_WORKER, size.crashes, chance):
        prices = [ASKS_MANAGERS if number % 2 else ASKS_A_DIRECTOR for number in range(size.orders)]
        receipts = await asyncio.gather(*(stand.shop.place(tea, price=price) for price in prices))
        ids = [receipt.order_id for receipt in receipts]
        refused = set(ids[_TURNED_DOWN::_TENTH])
        async with _deciding(stand, set(ids), refused, said):
            cancelled, amended = await asyncio.gather(
                _some(ids[_CANCELLED::_TENTH], chance, stand.shop.cancel),
                _some(ids[_AMENDED::_TENTH], chance, lambda order_id: stand.shop.amend(order_id, tea, _LATER_PRICE)),
            )
            orders = await stand.shop.until(FINAL, ids, seconds=_PATIENCE)
    stand.say(f"{len(said)} votes; {dict(Counter(order['status'] for order in orders.values()))}")
    _check_ends(orders, refused, cancelled)
    await _check_goods(stand, tea, orders)
    await _check_votes(stand, orders, said, amended)


async def _some(ids: Sequence[str], chance: Random, do: Callable[[str], Awaitable[int]]) -> dict[str, int]:
    """Do it to each of these orders at a moment of its own; the statuses of the answers."""

    async def one(order_id: str) -> int:
        await asyncio.sleep(chance.uniform(*_SECOND_THOUGHTS))
        return await do(order_id)

    return dict(zip(ids, await asyncio.gather(*map(one, ids)), strict=True))


@asynccontextmanager
async def _deciding(stand: Stand, ids: set[str], refused: set[str], said: Said) -> AsyncIterator[None]:
    """Everybody decides whatever is in their inbox, until the block ends."""
    people = [asyncio.create_task(_decide(stand, person, ids, refused, said)) for person in _APPROVERS]
    try:
        yield
    finally:
        for one in people:
            one.cancel()
        ended = await asyncio.gather(*people, return_exceptions=True)
    for error in ended:
        if not isinstance(error, asyncio.CancelledError):
            assert error is None, f"an approver has stopped: {error!r}"


async def _decide(stand: Stand, person: str, ids: set[str], refused: set[str], said: Said) -> None:
    while True:
        inbox = await stand.shop.ask(
            "GET", "/v1/approvals", caller=person, params={"mine": "true", "status": "pending"}
        )
        assert inbox.is_success, inbox.text
        todo = [item for item in inbox.json()["items"] if item["order_id"] in ids and (person, item["id"]) not in said]
        for item in todo:
            vote = "reject" if item["order_id"] in refused else "approve"
            said[person, item["id"]] = await _vote(stand, person, item["id"], vote)
        await asyncio.sleep(_LOOK_EVERY)


async def _vote(stand: Stand, person: str, approval_id: str, vote: str) -> int:
    """Repeated under one key until it is answered: a vote that was cut off is the same vote."""
    answer = await stand.shop.ask(
        "POST",
        f"/v1/approvals/{approval_id}/decisions",
        caller=person,
        json={"decision": vote},
        headers={"Idempotency-Key": f"{person}:{approval_id}"},
    )
    late = answer.status_code in {403, 409} and answer.json()["code"] in {"approval_closed", "not_an_approver"}
    assert answer.status_code == 200 or late, f"deciding: {answer.status_code} {answer.text}"
    return int(answer.status_code)


def _check_ends(orders: Mapping[str, Order], refused: set[str], cancelled: Mapping[str, int]) -> None:
    """Turned down: rejected. Cancelled: cancelled, unless it had ended, or was with the carrier, already."""
    for order_id, order in orders.items():
        code = (order["failure"] or {}).get("code")
        if order_id in refused:
            assert (order["status"], code) == ("rejected", "approval_rejected"), f"{order_id}: {order['status']} {code}"
        elif cancelled.get(order_id) in {200, 202}:
            assert order["status"] in {"cancelled", "delivered"}, f"{order_id}: {order['status']} {code}"
        else:
            assert order["status"] == "delivered", f"{order_id}: {order['status']} {code}"


async def _check_goods(stand: Stand, sku: str, orders: Mapping[str, Order]) -> None:
    delivered = sum(order["status"] == "delivered" for order in orders.values())
    article = await stand.shop.article(sku)
    assert (article["on_hand"], article["reserved"]) == (len(orders) - delivered, 0)


async def _check_votes(stand: Stand, orders: Mapping[str, Order], said: Said, amended: Mapping[str, int]) -> None:
    """What was answered with 200 is written down once, nothing else is; who approved an order was asked to."""
    approvals = {row["id"]: row for row in await stand.fetch(_APPROVALS, list(orders))}
    votes = await stand.fetch(_VOTES, list(approvals))
    counted = Counter((vote["actor"].removeprefix("key:"), vote["approval_id"]) for vote in votes)
    answered = Counter(vote for vote, status in said.items() if status == 200)
    # Who was being answered when everything was over may have a vote without having heard of it.
    assert answered <= counted, f"lost: {answered - counted}"
    assert set(counted.values()) <= {1}, f"twice: {counted}"
    yes = Counter((vote["approval_id"], vote["level"]) for vote in votes if vote["state"] == "counted")
    for order_id, order in orders.items():
        newest = max((row for row in approvals.values() if row["order_id"] == order_id), key=lambda row: row["n"])
        if order["status"] == "delivered":
            assert newest["status"] == "approved", f"{order_id} was delivered, its approval is {newest['status']}"
            assert yes[newest["id"], "manager"] == 2
            assert yes[newest["id"], "director"] == (order["total"]["amount"] >= ASKS_A_DIRECTOR)
        if amended.get(order_id) == 200:
            assert newest["n"] == 2, f"{order_id} became dearer and nobody was asked anew"
