"""
Money is exact, in whatever currency, and currencies do not mix.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.domain.errors import CurrencyMismatch
from fulfillment.domain.money import Money, total

amounts = st.integers(0, 10**15)


@given(st.lists(amounts, max_size=50), st.integers(1, 1_000_000))
def test_sums_and_multiples_lose_nothing(parts: list[int], pieces: int) -> None:
    found = total((Money(part, "EUR").times(pieces) for part in parts), "EUR")

    assert found == Money(sum(parts) * pieces, "EUR")


def test_two_currencies_are_never_added() -> None:
    with pytest.raises(CurrencyMismatch):
        total([Money(1, "EUR"), Money(1, "USD")], "EUR")


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(129999, "EUR"), "1299.99 EUR"),
        (Money(5, "EUR"), "0.05 EUR"),
        (Money(-5, "EUR"), "-0.05 EUR"),
        (Money(500, "JPY"), "500 JPY"),
        (Money(1234567, "KWD"), "1234.567 KWD"),
    ],
)
def test_an_amount_reads_by_the_exponent_of_its_currency(money: Money, text: str) -> None:
    assert str(money) == text
