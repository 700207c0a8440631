"""
The policy as the API shows and explains it.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from sqlalchemy import insert, select

from fulfillment.api.resources import ApiResources
from fulfillment.db.tables import customers
from tests.api.bodies import a_key, an_order
from tests.api.writing import start_of, write
from tests.fixtures.api import Serving, an_api
from tests.fixtures.settings import settings_for
from tests.settings.policies import a_document

pytestmark = pytest.mark.asyncio(loop_scope="module")

RISK = {
    "first_order": 10,
    "unusual_address": 10,
    "orders_within_hour": {"number": 3, "points": 40},
    "units_of_one_sku": {"number": 500, "points": 40},
    "countries": {"KP": 100},
    "forced": [{"score": 50, "role": "fraud-desk"}],
    "refuse_from": 140,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(shared_database_url: str, temporal_server: str) -> AsyncIterator[Serving]:
    """An API with a policy, one for all tests here."""
    settings = settings_for(shared_database_url, approvals={"policy": a_document(risk=RISK)})
    async with an_api(settings, temporal_server) as service:
        yield service


@pytest.fixture
def api(service: Serving) -> httpx2.AsyncClient:
    return service.api


@pytest.fixture
def resources(service: Serving) -> ApiResources:
    return service.resources


async def explanation(api: httpx2.AsyncClient, **query: Any) -> Any:
    answer = await api.get("/v1/approval-policy/explanation", params={"currency": "USD", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_whole_policy_is_shown_with_its_version(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    shown = (await api.get("/v1/approval-policy")).json()
    times = {"reminders": ["P3D", "P6D"], "escalate_after": "P7D", "expire_after": "P3D"}

    assert shown == {
        "version": resources.policy.version,
        "mode": "sequential",
        "deadline": "P14D",
        "base_currency": "USD",
        "rates": {"GBP": "1.25"},
        "levels": [
            {
                "role": "manager",
                "quorum": 1,
                "from": {"USD": 100_000, "JPY": 150_000},
                "escalates_to": "director",
                **times,
            },
            {
                "role": "director",
                "quorum": 2,
                "from": {"USD": 1_000_000, "JPY": 1_500_000},
                "escalates_to": None,
                **times,
            },
            {"role": "fraud-desk", "quorum": 1, "from": {}, "escalates_to": None, **times},
        ],
        "risk": RISK,
    }


@pytest.mark.parametrize("rate", ["0.000000000001", "123456789012.000000000001", "100"])
async def test_a_rate_is_shown_with_all_its_digits(rate: str, database_url: str, temporal_server: str) -> None:
    settings = settings_for(database_url, approvals={"policy": a_document(rates={"EUR": rate})})
    async with an_api(settings, temporal_server) as other:
        assert (await other.api.get("/v1/approval-policy")).json()["rates"] == {"EUR": rate}


async def test_an_order_by_its_amount_alone_is_explained(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    assert await explanation(api, amount=800_000, currency="GBP") == {
        "policy": resources.policy.version,
        "total": {"amount": 800_000, "currency": "GBP"},
        "compared": {"amount": 1_000_000, "currency": "USD"},
        "outcome": "approval",
        "mode": "sequential",
        "levels": [
            {"role": "manager", "quorum": 1, "reasons": ["amount"]},
            {"role": "director", "quorum": 2, "reasons": ["amount"]},
        ],
        "risk": {
            "score": 0,
            "points": {},
            "not_judged": ["first_order", "unusual_address", "orders_within_hour", "units_of_one_sku", "country"],
        },
    }


@pytest.mark.parametrize(
    ("query", "outcome", "levels", "score"),
    [
        ({"amount": 99_999}, "automatic", [], 0),
        ({"amount": 0, "country": "KP"}, "automatic", [], 100),
        ({"amount": 1, "country": "KP"}, "approval", ["fraud-desk"], 100),
        ({"amount": 1, "units": 499}, "automatic", [], 0),
        ({"amount": 1, "country": "KP", "units": 500}, "refused", [], 140),
        ({"amount": 1, "customer_id": "C-NEW", "units": 500}, "approval", ["fraud-desk"], 50),
        ({"amount": 1, "currency": "CHF"}, "approval", ["manager"], 0),
        ({"amount": 150_000, "currency": "JPY"}, "approval", ["manager"], 0),
    ],
)
async def test_what_would_happen_is_told_with_its_score(
    api: httpx2.AsyncClient, query: dict[str, Any], outcome: str, levels: list[str], score: int
) -> None:
    told = await explanation(api, **query)

    assert (told["outcome"], [level["role"] for level in told["levels"]]) == (outcome, levels)
    assert told["risk"]["score"] == score == sum(told["risk"]["points"].values())


async def test_a_customer_nobody_knows_would_place_a_first_order(api: httpx2.AsyncClient) -> None:
    risk = (await explanation(api, amount=1, customer_id="C-NEW", country="DE", units=1))["risk"]

    assert risk == {"score": 10, "points": {"first_order": 10}, "not_judged": ["unusual_address"]}


async def test_what_a_customer_ordered_is_read_and_never_counted(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    now = datetime.now(UTC)
    moments = [now - timedelta(minutes=minutes) for minutes in (61, 59, 1)]
    async with resources.database.transaction() as connection:
        await connection.execute(insert(customers).values(customer_id="C-1", orders=7, recent=moments))

    # The third within the hour would be this one; asking twice does not make it the fourth.
    told = [(await explanation(api, amount=1, customer_id="C-1"))["risk"]["points"] for _ in "12"]
    async with resources.database.statement() as connection:
        (row,) = (await connection.execute(select(customers).where(customers.c.customer_id == "C-1"))).all()

    assert told == [{"orders_within_hour": 40}] * 2
    assert (row.orders, row.recent) == (7, moments)


async def test_a_customer_from_before_customers_were_counted_is_not_new(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    placed = await api.post("/v1/orders", json=an_order(customer_id="C-OLD"), headers=a_key())
    await write(resources, await start_of(resources, placed))
    async with resources.database.transaction() as connection:
        await connection.execute(customers.delete())

    assert (await explanation(api, amount=1, customer_id="C-OLD"))["risk"]["points"] == {}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": "12.50"}, "amount"),
        ({"amount": 10**15 + 1}, "amount"),
        ({"amount": 1, "currency": "usd"}, "currency"),
        ({"amount": 1, "country": "XX"}, "country"),
        ({"amount": 1, "units": 0}, "units"),
        ({"amount": 1, "customer_id": " "}, "customer_id"),
        ({"amount": 1, "sku": "LAMP"}, "sku"),
    ],
    ids=str,
)
async def test_a_wrong_parameter_is_named(api: httpx2.AsyncClient, query: dict[str, Any], field: str) -> None:
    answer = await api.get("/v1/approval-policy/explanation", params={"currency": "USD", **query})

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


@pytest_asyncio.fixture(loop_scope="module")
async def default_api(database_url: str, temporal_server: str) -> AsyncIterator[httpx2.AsyncClient]:
    """An API nobody wrote a policy for."""
    async with an_api(settings_for(database_url, approvals={"policy": None}), temporal_server) as service:
        yield service.api


async def test_without_a_policy_the_default_one_is_explained(default_api: httpx2.AsyncClient) -> None:
    told = await explanation(default_api, amount=10_000_000)

    assert [level["role"] for level in told["levels"]] == ["manager", "director", "vp"]
    assert told["policy"].startswith("default+")
