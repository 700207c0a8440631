"""
`Prefer: wait=N`: the outcome of placing in one call, at the cost of one query for everybody who waits.
"""

import asyncio
from datetime import timedelta

import httpx2
import pytest

from fulfillment.api.headers import preferred_wait
from fulfillment.api.resources import ApiResources
from tests.api.bodies import a_key, an_order
from tests.api.writing import change, id_in, start_of, write
from tests.fixtures.queries import counting_queries


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        (["wait=10"], 10),
        (["respond-async, WAIT=10"], 10),
        (["return=minimal; foo=1", 'wait="5"'], 5),
        (["wait=5, wait=9"], 5),
        (["wait=86400"], 30),
        (["wait=99999999999999999999999"], 30),
        (["wait=0"], 0),
        (["wait"], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=²"], None),
        (["=,;,wait=ten"], None),
    ],
)
def test_a_preference_that_is_not_understood_is_ignored(headers: list[str], seconds: int | None) -> None:
    assert preferred_wait(headers) == (None if seconds is None else timedelta(seconds=seconds))


async def test_a_caller_who_waits_gets_the_order_once_there_is_something_to_tell(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    body, key = an_order(), a_key()
    first = await api.post("/v1/orders", json=body, headers=key)
    await write(resources, await start_of(resources, first))

    waiting = asyncio.create_task(api.post("/v1/orders", json=body, headers={**key, "Prefer": "wait=20"}))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await change(resources, id_in(first), status="awaiting_shipment")
    answer = await waiting

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.headers["etag"]) == ("awaiting_shipment", '"2"')
    assert answer.headers["preference-applied"] == "wait=20"
    assert answer.content == (await api.get(first.headers["location"])).content


async def test_a_wait_that_was_too_short_gets_the_receipt(api: httpx2.AsyncClient) -> None:
    body, key = an_order(), a_key()
    waited = await api.post("/v1/orders", json=body, headers={**key, "Prefer": "wait=1"})
    repeated = await api.post("/v1/orders", json=body, headers=key)

    assert (waited.status_code, waited.content) == (202, repeated.content)


async def test_many_callers_who_wait_share_one_query_and_nobody_costs_none(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    async def wait() -> httpx2.Response:
        return await api.post("/v1/orders", json=an_order(), headers={**a_key(), "Prefer": "wait=2"})

    with counting_queries(resources.database) as queries:
        answers = await asyncio.gather(*(wait() for _ in range(20)))
        asked = sum("status" in query and "NOT IN" in query for query in queries)
        await asyncio.sleep(0.5)
        queries.clear()
        await asyncio.sleep(0.5)

    assert {answer.status_code for answer in answers} == {202}
    assert 5 <= asked <= 15
    assert queries == []


async def test_callers_who_wait_get_their_receipt_when_the_process_stops(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    waiting = asyncio.create_task(api.post("/v1/orders", json=an_order(), headers={**a_key(), "Prefer": "wait=30"}))
    await asyncio.sleep(0.5)
    resources.watcher.close()
    answer = await asyncio.wait_for(waiting, 2)

    assert answer.status_code == 202
