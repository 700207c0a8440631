"""
`GET /v1/attention`: what waits for an operator.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from fulfillment.api.resources import ApiResources
from tests.api.bodies import a_key, an_order
from tests.api.writing import change, id_in, start_of, write

SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def parked(api: httpx2.AsyncClient, resources: ApiResources, **columns: Any) -> str:
    """An order that needs attention; its id."""
    placed = await api.post("/v1/orders", json=an_order(), headers=a_key())
    await write(resources, await start_of(resources, placed))
    question = {
        "status": "needs_attention",
        "attention_reason": "undo_failed",
        "attention_since": SINCE,
        "attention_due_at": SINCE + timedelta(days=1),
        "attention_actions": ["retry", "skip"],
        "attention_operation": f"{id_in(placed)}:void:1",
        "resume_status": "cancelling",
    }
    await change(resources, id_in(placed), **{**question, **columns})
    return str(id_in(placed))


async def test_a_question_is_listed_with_its_due_date_and_its_answers(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    order_id = await parked(api, resources)
    await api.post("/v1/orders", json=an_order(), headers=a_key())

    assert (await api.get("/v1/attention")).json() == {
        "items": [
            {
                "order_id": order_id,
                "reason": "undo_failed",
                "owner": "operations",
                "since": "2026-01-02T03:04:05Z",
                "due_at": "2026-01-03T03:04:05Z",
                "resume_status": "cancelling",
                "operation": f"{order_id}:void:1",
                "actions": [
                    {"name": name, "href": f"/v1/orders/{order_id}/actions/{name}"} for name in ("retry", "skip")
                ],
            }
        ],
        "next_cursor": None,
    }


async def test_the_list_is_oldest_first_and_stable_while_questions_are_asked_and_answered(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    asked = [await parked(api, resources, attention_since=SINCE + timedelta(hours=n // 2)) for n in range(6)]
    expected = [order for n in range(0, 6, 2) for order in sorted(asked[n : n + 2])]

    first = (await api.get("/v1/attention", params={"limit": 3})).json()
    found = [entry["order_id"] for entry in first["items"]]
    newest = await parked(api, resources, attention_since=SINCE + timedelta(days=1))
    await parked(api, resources, attention_since=SINCE - timedelta(days=1))
    rest = (await api.get("/v1/attention", params={"cursor": first["next_cursor"]})).json()

    assert found + [entry["order_id"] for entry in rest["items"]] == [*expected, newest]
    assert rest["next_cursor"] is None


async def test_one_reason_can_be_asked_for(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    lost = await parked(api, resources, attention_reason="lost")
    await parked(api, resources)

    page = (await api.get("/v1/attention", params={"reason": "lost"})).json()
    assert [entry["order_id"] for entry in page["items"]] == [lost]


async def test_the_list_refuses_what_it_does_not_understand(api: httpx2.AsyncClient) -> None:
    for name, junk in (("reason", "bored"), ("limit", "0"), ("cursor", "junk"), ("cursor", "WzEsMl0"), ("sort", "x")):
        answer = await api.get("/v1/attention", params={name: junk})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, name)
