import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import func, select, update

from fulfillment.db.engine import Database
from fulfillment.db.tables import stock, stock_movements
from tests.api.bodies import a_key
from tests.fixtures.identity import TESTER_ID

MOVEMENT = {"kind": "adjusted", "reserved_delta": 0, "order_id": None, "actor": TESTER_ID}


async def put(api: httpx2.AsyncClient, sku: str, on_hand: int, **headers: str) -> httpx2.Response:
    return await api.put(f"/v1/inventory/{sku}", json={"on_hand": on_hand}, headers=headers)


async def adjust(
    api: httpx2.AsyncClient, sku: str, delta: int, reason: str = "delivery", headers: dict[str, str] | None = None
) -> httpx2.Response:
    body = {"delta": delta, "reason": reason}
    return await api.post(f"/v1/inventory/{sku}/adjustments", json=body, headers=headers or a_key())


async def reserve(database: Database, sku: str, quantity: int) -> None:
    """As an order does it, with its movement."""
    async with database.transaction() as connection:
        await connection.execute(
            update(stock)
            .where(stock.c.sku == sku)
            .values(reserved=stock.c.reserved + quantity, version=stock.c.version + 1)
        )
        await connection.execute(
            stock_movements.insert().values(
                sku=sku, key=str(uuid4()), kind="held", on_hand_delta=0, reserved_delta=quantity, actor="system"
            )
        )


async def discrepancies(database: Database) -> list[str]:
    """Articles whose movements do not add up to their figures (I2)."""
    sums = (
        select(stock.c.sku)
        .outerjoin(stock_movements, stock_movements.c.sku == stock.c.sku)
        .group_by(stock.c.sku)
        .having(
            (func.coalesce(func.sum(stock_movements.c.on_hand_delta), 0) != stock.c.on_hand)
            | (func.coalesce(func.sum(stock_movements.c.reserved_delta), 0) != stock.c.reserved)
        )
    )
    async with database.statement() as connection:
        return list(await connection.scalars(sums))


def refusal(response: httpx2.Response) -> tuple[int, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


async def test_a_new_article_is_made_with_a_movement_of_all_its_pieces(api: httpx2.AsyncClient) -> None:
    made = await api.put("/v1/inventory/KETTLE", json={"on_hand": 12, "name": " Kettle "})
    read = await api.get("/v1/inventory/KETTLE")
    movements = (await api.get("/v1/inventory/KETTLE/movements")).json()["items"]

    assert (made.status_code, made.headers["Location"]) == (201, "/v1/inventory/KETTLE")
    assert made.json() == {
        "sku": "KETTLE",
        "name": "Kettle",
        "on_hand": 12,
        "reserved": 0,
        "available": 12,
        "version": 1,
    }
    assert (read.json(), read.headers["ETag"]) == (made.json(), '"1"')
    assert [(m["on_hand_delta"], m["kind"], m["actor"]) for m in movements] == [(12, "adjusted", TESTER_ID)]


async def test_a_known_article_is_corrected_only_by_those_who_have_read_it(api: httpx2.AsyncClient) -> None:
    etag = (await put(api, "K", 10)).headers["ETag"]

    blind = await put(api, "K", 11)
    informed = await put(api, "K", 7, **{"If-Match": etag})
    late = await put(api, "K", 11, **{"If-Match": f'"77", {etag}'})
    weak = await put(api, "K", 11, **{"If-Match": f"W/{informed.headers['ETag']}"})
    whatever = await put(api, "K", 9, **{"If-Match": "*"})
    junk = await put(api, "K", 11, **{"If-Match": "2"})
    unborn = await put(api, "NEW", 11, **{"If-Match": "*"})

    assert refusal(blind) == (428, "precondition_required")
    assert (informed.status_code, informed.json()["on_hand"], informed.headers["ETag"]) == (200, 7, '"2"')
    assert refusal(late) == (412, "precondition_failed")
    assert refusal(weak) == (412, "precondition_failed")
    assert (whatever.status_code, whatever.json()["name"]) == (200, "K")
    assert refusal(junk) == (422, "invalid_request")
    assert refusal(unborn) == (412, "precondition_failed")


async def test_stock_cannot_be_counted_below_what_orders_hold(api: httpx2.AsyncClient, database: Database) -> None:
    await put(api, "K", 5)
    await reserve(database, "K", 4)

    counted = await put(api, "K", 3, **{"If-Match": "*"})
    adjusted = await adjust(api, "K", -2)
    article = (await api.get("/v1/inventory/K")).json()

    assert refusal(counted) == refusal(adjusted) == (409, "below_reserved")
    assert (article["on_hand"], article["reserved"], article["available"]) == (5, 4, 1)
    assert await discrepancies(database) == []


async def test_an_adjustment_happens_once_and_answers_with_the_same_bytes(
    api: httpx2.AsyncClient, database: Database
) -> None:
    await put(api, "K", 5)
    key = {"Idempotency-Key": '"delivery-7"'}

    answers = await asyncio.gather(*(adjust(api, "K", 3, headers=key) for _ in range(10)))
    bare = await adjust(api, "K", 3, headers={"Idempotency-Key": "delivery-7", "If-Match": '"1"'})

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in (*answers, bare)}) == 1
    assert sorted(answer.headers.get("Idempotency-Replayed", "") for answer in answers) == ["", *["true"] * 9]
    assert {key: value for key, value in bare.json().items() if key in MOVEMENT} == MOVEMENT
    assert (await api.get("/v1/inventory/K")).json()["on_hand"] == 8
    assert await discrepancies(database) == []


async def test_a_key_means_one_adjustment_and_none_is_made_without_one(api: httpx2.AsyncClient) -> None:
    await put(api, "K", 5)
    key = a_key()
    await adjust(api, "K", 3, headers=key)

    assert refusal(await adjust(api, "K", 4, headers=key)) == (422, "idempotency_key_reused")
    assert refusal(await adjust(api, "K", 3, reason="found", headers=key)) == (422, "idempotency_key_reused")
    assert refusal(await adjust(api, "K", 3, headers={"X-Other": "1"})) == (400, "idempotency_key_missing")


async def test_a_refused_adjustment_does_not_use_up_its_key(api: httpx2.AsyncClient) -> None:
    await put(api, "K", 5)
    key = a_key()

    assert refusal(await adjust(api, "K", -6, headers=key)) == (409, "below_reserved")
    assert refusal(await adjust(api, "K", -5, headers={**key, "If-Match": '"9"'})) == (412, "precondition_failed")
    assert (await adjust(api, "K", -5, headers=key)).status_code == 201


async def test_articles_come_in_pages_that_are_stable_while_some_are_added(api: httpx2.AsyncClient) -> None:
    for sku in "BDF":
        await put(api, sku, 1)

    first = (await api.get("/v1/inventory?limit=2")).json()
    await put(api, "A", 1)
    await put(api, "E", 1)
    second = (await api.get("/v1/inventory", params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [article["sku"] for article in first["items"]] == ["B", "D"]
    assert [article["sku"] for article in second["items"]] == ["E", "F"]
    assert second["next_cursor"] is None


async def test_movements_come_newest_first_and_in_pages(api: httpx2.AsyncClient) -> None:
    await put(api, "K", 1)
    for delta in (2, 3):
        await adjust(api, "K", delta)

    first = (await api.get("/v1/inventory/K/movements?limit=2")).json()
    rest = (await api.get("/v1/inventory/K/movements", params={"cursor": first["next_cursor"]})).json()

    assert [movement["on_hand_delta"] for movement in (*first["items"], *rest["items"])] == [3, 2, 1]


async def test_a_reader_who_is_up_to_date_is_sent_nothing(api: httpx2.AsyncClient, database: Database) -> None:
    etag = (await put(api, "K", 5)).headers["ETag"]

    same = await api.get("/v1/inventory/K", headers={"If-None-Match": etag})
    await reserve(database, "K", 1)
    changed = await api.get("/v1/inventory/K", headers={"If-None-Match": etag})

    assert (same.status_code, same.content) == (304, b"")
    assert changed.json()["available"] == 4


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"on_hand": "12"}, "on_hand"),
        ({"on_hand": -1}, "on_hand"),
        ({"on_hand": 10**12}, "on_hand"),
        ({"on_hand": 1.5}, "on_hand"),
        ({"on_hand": True}, "on_hand"),
        ({"on_hand": 1, "name": "  "}, "name"),
        ({"on_hand": 1, "reserved": 0}, "reserved"),
        ({}, "on_hand"),
    ],
)
async def test_a_wrong_count_is_refused_by_field(api: httpx2.AsyncClient, body: dict[str, Any], field: str) -> None:
    response = await api.put("/v1/inventory/K", json=body)

    assert refusal(response) == (422, "invalid_request")
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_wrong_adjustments_and_addresses_are_refused(api: httpx2.AsyncClient) -> None:
    await put(api, "K", 5)

    assert (await adjust(api, "K", 0)).json()["errors"][0]["field"] == "delta"
    assert (await adjust(api, "K", 10**9)).json()["errors"][0]["field"] == "delta"
    assert refusal(await adjust(api, "UNKNOWN", 1)) == (404, "not_found")
    assert refusal(await api.get("/v1/inventory/UNKNOWN")) == (404, "not_found")
    assert refusal(await api.get("/v1/inventory/UNKNOWN/movements")) == (404, "not_found")
    assert refusal(await api.get("/v1/inventory/%00")) == (422, "invalid_request")
    assert refusal(await api.get(f"/v1/inventory/{'x' * 101}")) == (422, "invalid_request")
    assert refusal(await api.get("/v1/inventory/K/movements?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk")) == (
        422,
        "invalid_request",
    )
    assert refusal(await api.get("/v1/inventory?cursor=%00&limit=0")) == (422, "invalid_request")
