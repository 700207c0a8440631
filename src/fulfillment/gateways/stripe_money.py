"""
Amounts as Stripe counts them: for some currencies its smallest unit is not that of ISO 4217.

Source: https://docs.stripe.com/currencies, "Zero-decimal currencies", "Three-decimal currencies", "Special cases".
"""

from dataclasses import dataclass

from fulfillment.domain.money import Money, exponent


class NotExpressible(ValueError):
    """One of the two sides has no number for such an amount."""

    def __init__(self, currency: str) -> None:
        super().__init__(f"an amount in {currency} that Stripe and ISO 4217 cannot both write down")


@dataclass(frozen=True, slots=True)
class _Form:
    """Digits after the point in Stripe's amounts, and what every amount must be a multiple of."""

    digits: int
    step: int = 1


_DECIMAL = _Form(2)
_FORMS = {
    **dict.fromkeys("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split(), _Form(0)),
    **dict.fromkeys("BHD JOD KWD OMR TND".split(), _Form(3, step=10)),
    # Whole units only, but written with two zeros, as in the days when they had a fraction.
    **dict.fromkeys(("ISK", "UGX"), _Form(2, step=100)),
}
# HUF and TWD are whole in payouts alone: cards are charged with two digits, as ISO 4217 has it.


def to_stripe(money: Money) -> int:
    """
    Our amount as Stripe writes it.

    Raises:
        NotExpressible: it is finer than Stripe takes it, or in a currency it does not take.
    """
    form = _form(money.currency)
    amount = _shifted(money.amount, form.digits - exponent(money.currency))
    if amount is None or amount % form.step:
        raise NotExpressible(money.currency)
    return amount


def from_stripe(amount: int, currency: str) -> Money:
    """
    Stripe's amount as we write it.

    Raises:
        NotExpressible: it is finer than ISO 4217 has it, or no amount of Stripe's.
    """
    currency = currency.upper()
    form = _form(currency)
    ours = _shifted(amount, exponent(currency) - form.digits)
    if ours is None or amount % form.step:
        raise NotExpressible(currency)
    return Money(ours, currency)


def _form(currency: str) -> _Form:
    if currency in _FORMS:
        return _FORMS[currency]
    # An odd currency that is not in Stripe's lists: guessing its digits could charge a hundredfold.
    if exponent(currency) != _DECIMAL.digits:
        raise NotExpressible(currency)
    return _DECIMAL


def _shifted(amount: int, digits: int) -> int | None:
    if digits >= 0:
        return int(amount * 10**digits)
    whole, rest = divmod(amount, 10**-digits)
    return None if rest else int(whole)
