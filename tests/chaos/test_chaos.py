"""
Every scenario, small; `make chaos` plays them whole, each on a service of its own.
"""

from collections.abc import AsyncIterator
from random import Random

import pytest
import pytest_asyncio

from tests.chaos import approvals, hammer, outages, payments, workers
from tests.chaos.scenario import Play, Size
from tests.chaos.stand import Stand

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
]

_SEED = 3


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """One service for all of them: starting it takes as long as most scenarios."""
    async with Stand.up(tmp_path_factory.mktemp("chaos")) as stand:
        yield stand


async def _play(stand: Stand, play: Play, size: Size) -> None:
    await play(stand, size, Random(_SEED))  # noqa: S311 - to be repeatable
    assert [check for check in await stand.books() if check.violations] == []


async def test_a_worker_killed_after_the_payment_leaves_no_order_unpaid_or_paid_twice(stand: Stand) -> None:
    await _play(stand, payments.worker_killed_after_payment, Size(orders=6))


async def test_a_provider_that_answers_after_our_timeout_is_looked_up_not_asked_to_do_it_again(stand: Stand) -> None:
    await _play(stand, payments.provider_answers_too_late, Size(orders=4))


async def test_requests_cut_off_by_a_dying_api_can_be_repeated_for_the_same_receipt(stand: Stand) -> None:
    await _play(stand, outages.api_killed_before_the_answer, Size(orders=20))


async def test_all_open_orders_go_on_after_temporal_was_killed_and_started_on_its_file(stand: Stand) -> None:
    await _play(stand, outages.temporal_killed, Size(orders=10))


async def test_a_crash_of_the_database_rejects_nobody_and_loses_nothing(stand: Stand) -> None:
    await _play(stand, outages.postgres_stopped_immediately, Size(orders=10))


async def test_orders_arrive_although_their_worker_dies_again_and_again(stand: Stand) -> None:
    await _play(stand, workers.orders_worker_killed_again_and_again, Size(orders=10, crashes=2))


async def test_orders_cancelled_while_workers_die_either_arrive_or_are_undone_whole(stand: Stand) -> None:
    await _play(stand, workers.cancelled_while_workers_die, Size(orders=12, crashes=2))


async def test_people_decide_while_workers_die_and_no_vote_is_lost_or_counted_twice(stand: Stand) -> None:
    await _play(stand, approvals.approved_while_workers_die, Size(orders=8, crashes=1))


async def test_of_two_hundred_orders_for_a_hundred_pieces_a_hundred_get_one(stand: Stand) -> None:
    await _play(stand, hammer.twice_as_many_orders_as_pieces, Size(orders=200))


async def test_orders_for_the_same_articles_in_opposite_order_never_deadlock(stand: Stand) -> None:
    await _play(stand, hammer.same_articles_in_opposite_order, Size(orders=40))
