"""
Amounts in Stripe's units and in ours.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.domain.money import Money
from fulfillment.gateways.stripe_money import NotExpressible, from_stripe, to_stripe

CURRENCIES = "EUR USD JPY KRW MGA ISK UGX HUF TWD KWD BHD JOD OMR TND XPF IQD LYD CLF UYI".split()


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        (Money(1999, "EUR"), 1999),
        (Money(500, "JPY"), 500),
        (Money(50_000, "MGA"), 500),
        (Money(5, "ISK"), 500),
        (Money(5, "UGX"), 500),
        (Money(1045, "HUF"), 1045),
        (Money(80_045, "TWD"), 80_045),
        (Money(5120, "KWD"), 5120),
    ],
)
def test_amounts_as_stripes_documentation_has_them(ours: Money, told: int) -> None:
    assert to_stripe(ours) == told
    assert from_stripe(told, ours.currency.lower()) == ours


@pytest.mark.parametrize(
    "ours", [Money(5124, "KWD"), Money(50_050, "MGA"), Money(5000, "LYD"), Money(5000, "IQD"), Money(1, "CLF")]
)
def test_what_stripe_cannot_write_down_is_refused_and_never_rounded(ours: Money) -> None:
    with pytest.raises(NotExpressible):
        to_stripe(ours)


@pytest.mark.parametrize(("told", "currency"), [(550, "isk"), (5124, "kwd"), (5000, "lyd")])
def test_what_stripe_would_never_say_is_refused(told: int, currency: str) -> None:
    with pytest.raises(NotExpressible):
        from_stripe(told, currency)


@given(amount=st.integers(0, 10**12), currency=st.sampled_from(CURRENCIES))
def test_what_can_be_told_comes_back_the_same(amount: int, currency: str) -> None:
    ours = Money(amount, currency)
    try:
        told = to_stripe(ours)
    except NotExpressible:
        return
    assert from_stripe(told, currency.lower()) == ours


@given(told=st.integers(0, 10**12), currency=st.sampled_from(CURRENCIES))
def test_what_stripe_says_goes_back_the_same(told: int, currency: str) -> None:
    try:
        ours = from_stripe(told, currency.lower())
    except NotExpressible:
        return
    assert to_stripe(ours) == told
