"""
An order's stock is held as a whole or not at all.
"""

from hypothesis import given
from hypothesis import strategies as st

from fulfillment.domain.ids import Sku
from fulfillment.domain.inventory import difference, refusal
from fulfillment.domain.orders import FailureCode

skus = st.sampled_from([Sku("LAMP"), Sku("VASE"), Sku("TEA")])


@given(st.dictionaries(skus, st.integers(1, 9), min_size=1), st.dictionaries(skus, st.integers(0, 9)))
def test_stock_is_held_only_if_there_is_enough_of_everything(demand: dict[Sku, int], available: dict[Sku, int]) -> None:
    found = refusal(demand, available)

    assert (found is None) is all(available.get(sku, -1) >= pieces for sku, pieces in demand.items())
    assert (found is FailureCode.UNKNOWN_SKU) is bool(demand.keys() - available.keys())


@given(st.dictionaries(skus, st.integers(1, 9)), st.dictionaries(skus, st.integers(1, 9)))
def test_what_is_held_becomes_what_is_wanted_and_nothing_moves_twice(
    held: dict[Sku, int], wanted: dict[Sku, int]
) -> None:
    more, less = difference(held, wanted)
    after = {sku: held.get(sku, 0) + more.get(sku, 0) - less.get(sku, 0) for sku in (*held, *wanted)}

    assert {sku: pieces for sku, pieces in after.items() if pieces} == wanted
    assert not more.keys() & less.keys()
    assert all(pieces > 0 for pieces in (*more.values(), *less.values()))
