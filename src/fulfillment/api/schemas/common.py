"""
Types that several bodies share: text, money, pages.
"""

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from fulfillment.domain.iso import COUNTRIES, CURRENCIES
from fulfillment.domain.money import Money

LARGEST_PRICE = 10**12
LARGEST_PAGE = 200


def _storable(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("nul_character", "must not contain the character NUL")
    return value


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise PydanticCustomError("currency", "must be an ISO 4217 code in capitals, like EUR")
    return value


def _country(value: str) -> str:
    if value not in COUNTRIES:
        raise PydanticCustomError("country", "must be an ISO 3166-1 alpha-2 code in capitals, like DE")
    return value


def _trimmed(longest: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=longest)


_Storable = AfterValidator(_storable)

Text20 = Annotated[str, _trimmed(20), _Storable]
Text40 = Annotated[str, _trimmed(40), _Storable]
Text100 = Annotated[str, _trimmed(100), _Storable]
Text200 = Annotated[str, _trimmed(200), _Storable]
Text500 = Annotated[str, _trimmed(500), _Storable]

Currency = Annotated[str, _trimmed(3), AfterValidator(_currency)]
Country = Annotated[str, _trimmed(2), AfterValidator(_country)]
# Bounds that every time zone keeps within what Python and PostgreSQL can hold.
Instant = Annotated[AwareDatetime, Field(ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))]

Cursor = Annotated[str | None, Field(default=None, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Field(ge=1, le=LARGEST_PAGE, description="Most items to answer with.")]


class Body(BaseModel):
    """Something a caller sends: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class View(BaseModel):
    """Something we answer with."""

    model_config = ConfigDict(frozen=True)


class Price(Body):
    """An amount in minor units of an ISO 4217 currency: 129999 EUR is 1299.99 euros."""

    amount: Annotated[int, Field(strict=True, ge=0, le=LARGEST_PRICE)]
    currency: Currency

    def to_money(self) -> Money:
        """The same for the domain."""
        return Money(self.amount, self.currency)


class MoneyView(View):
    """An amount in minor units of an ISO 4217 currency: 129999 EUR is 1299.99 euros."""

    amount: int
    currency: str

    @classmethod
    def of(cls, money: Money) -> "MoneyView":
        return cls(amount=money.amount, currency=money.currency)


Item = TypeVar("Item", bound=BaseModel)


class Page(View, Generic[Item]):
    """Part of a list; `next_cursor` is the `cursor` of the following part, null at the end."""

    items: list[Item]
    next_cursor: str | None
