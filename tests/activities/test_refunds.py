"""
A reversal that turns out to be a refund is two operations: the void ends when the refund does.
"""

import pytest

from fulfillment.contracts.payments import Reversal
from fulfillment.domain.errors import OutcomeUnknown, PaymentUnavailable, ProviderUnavailable
from fulfillment.domain.operations import OperationKind
from tests.activities.shop import Shop, patient_for
from tests.activities.test_reversals import REFUNDED, captured


async def test_look_ups_nobody_answers_use_patience_up_while_the_money_is_given_back(shop: Shop) -> None:
    order_id = await captured(shop)
    await shop.begin_undo(order_id)
    await shop.intend(order_id, OperationKind.REFUND)
    shop.control(refund={"down": True})
    with pytest.raises(ProviderUnavailable):
        await shop.reverse(order_id, n=2)
    shop.control(lookup={"down": True})
    with pytest.raises(ProviderUnavailable):
        await shop.reverse(order_id, n=2, patience=patient_for(2))
    with pytest.raises(PaymentUnavailable):
        await shop.reverse(order_id, n=2, patience=patient_for(2))
    shop.control()

    assert await shop.reverse(order_id, n=2) is Reversal.DONE
    assert shop.ledger(order_id) == REFUNDED
    assert [await shop.state(order_id, OperationKind.VOID, n) for n in (1, 2)] == [None, "undone"]


async def test_voids_are_over_once_the_money_is_given_back(shop: Shop) -> None:
    order_id = await captured(shop)
    shop.control(refund={"lose_answer_rate": 1})
    with pytest.raises(OutcomeUnknown):
        await shop.reverse(order_id)
    shop.control()

    assert await shop.reverse(order_id, n=2) is Reversal.DONE
    assert shop.ledger(order_id) == REFUNDED
    assert [await shop.state(order_id, OperationKind.VOID, n) for n in (1, 2)] == ["undone", "undone"]
