"""
Another address in the same country is asked about where it is unusual, and the rules want to know.
"""

from dataclasses import replace

import pytest

from fulfillment.db.engine import Database
from fulfillment.domain.approval_policy import Forced, RiskRules
from fulfillment.settings import Settings
from tests.db.test_reconsidering import CHEAP, HOME, ONE_DEAR, approved, placed, statuses
from tests.fakes.policies import a_policy
from tests.fakes.warehouse import Warehouse

ELSEWHERE = replace(HOME, line1="Kai 7", city="Hamburg", postal_code="20095")


@pytest.fixture
async def suspicious(database: Database, settings: Settings) -> Warehouse:
    """Unusual addresses alone need a manager; one order of the customer has gone to Berlin before."""
    rules = RiskRules(unusual_address=50, forced=(Forced(score=50, role="manager"),))
    made = Warehouse.on(database, settings, a_policy(rules))
    await made.stocked(LAMP=10)
    await placed(made, CHEAP)
    return made


async def test_an_unusual_address_in_the_same_country_is_too_late_where_the_rules_would_ask_for_it(
    suspicious: Warehouse,
) -> None:
    order_id = await placed(suspicious, CHEAP)

    assert (await suspicious.readdress(order_id, ELSEWHERE)).refusal == "order_not_amendable"
    assert (await suspicious.order(order_id)).shipping_address["city"] == "Berlin"


async def test_whoever_is_asked_already_is_not_asked_anew_about_another_address(suspicious: Warehouse) -> None:
    waiting = await placed(suspicious, ONE_DEAR)
    done = await placed(suspicious, ONE_DEAR)
    await approved(suspicious, done)

    for order_id in (waiting, done):
        assert (await suspicious.readdress(order_id, ELSEWHERE)).refusal is None
        assert len(await statuses(suspicious, order_id)) == 1


async def test_an_unusual_address_is_asked_about_anew_by_who_was_not_asked(
    database: Database, settings: Settings
) -> None:
    rules = RiskRules(unusual_address=50, forced=(Forced(score=50, role="director"),))
    strict = Warehouse.on(database, settings, a_policy(rules))
    await strict.stocked(LAMP=10)
    await placed(strict, CHEAP)
    order_id = await placed(strict, ONE_DEAR)
    changed = await strict.readdress(order_id, ELSEWHERE)

    assert changed.approval is not None
    assert [level.role for level in changed.approval.plan.levels] == ["manager", "director"]
    assert await statuses(strict, order_id) == ["void", "pending"]
