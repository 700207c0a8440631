"""
Money: integer minor units with a currency, never a float.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fulfillment.domain.errors import CurrencyMismatch

# ISO 4217 table A.1: every other currency has two digits after the point.
_EXPONENTS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (cents for EUR, yen for JPY, fils for KWD) of one ISO 4217 currency."""

    amount: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise CurrencyMismatch(self.currency, other.currency)
        return Money(self.amount + other.amount, self.currency)

    def times(self, quantity: int) -> "Money":
        """The price of `quantity` pieces."""
        return Money(self.amount * quantity, self.currency)

    def __str__(self) -> str:
        digits = exponent(self.currency)
        if digits == 0:
            return f"{self.amount} {self.currency}"
        major, minor = divmod(abs(self.amount), 10**digits)
        return f"{'-' * (self.amount < 0)}{major}.{minor:0{digits}d} {self.currency}"


def exponent(currency: str) -> int:
    """Digits after the point of a currency (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def total(amounts: Iterable[Money], currency: str) -> Money:
    """
    The sum, zero for nothing.

    Raises:
        CurrencyMismatch: an amount is in another currency.
    """
    return sum(amounts, start=Money(0, currency))
