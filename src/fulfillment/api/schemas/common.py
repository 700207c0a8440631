"""
Types that several bodies share: text, money, pages.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from fulfillment.domain.ids import OrderId
from fulfillment.domain.iso import COUNTRIES, CURRENCIES
from fulfillment.domain.money import Money

LARGEST_PRICE = 10**12
LARGEST_PAGE = 200

# What is checked in Python, said again for those who only read the OpenAPI document.
# Python takes U+001C to U+001F and U+0085 for spaces, too.
PRINTED: dict[str, Any] = {"pattern": r"^[^\x00]*[^\s\x00\x1c-\x1f\x85][^\x00]*$"}
"""Not blank, and without NUL."""
_MINOR_UNITS = "Minor units by the ISO 4217 exponent of the currency: cents for EUR, yen for JPY, fils for KWD."
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d)")


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


def extensible(values: Iterable[StrEnum]) -> dict[str, Any]:
    """
    The known values of a text we answer with, to which later releases add: a client takes others as well.

    Not an enumeration, because a process of this release may read what one of the next has written.
    """
    return {"x-extensible-enum": [value.value for value in values]}


def _time(value: object) -> object:
    # Pydantic reads numbers as seconds since 1970, also in text; nobody who sends one means that year.
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise PydanticCustomError("time", "must be a time as in RFC 3339, like 2026-11-22T10:15:30Z")


def _trimmed(longest: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=longest)


_Storable = AfterValidator(_storable)
_Printed = Field(json_schema_extra=PRINTED)

Text20 = Annotated[str, _trimmed(20), _Storable, _Printed]
Text40 = Annotated[str, _trimmed(40), _Storable]
"""For keys: pydantic would take a pattern as a condition for looking at a value at all."""
Text100 = Annotated[str, _trimmed(100), _Storable, _Printed]
Text200 = Annotated[str, _trimmed(200), _Storable, _Printed]
Text500 = Annotated[str, _trimmed(500), _Storable, _Printed]
Text1000 = Annotated[str, _trimmed(1000), _Storable, _Printed]

# Named types are components of their own in the OpenAPI document: the long lists stand there once.
Currency = TypeAliasType(
    "Currency",
    Annotated[
        str,
        _trimmed(3),
        AfterValidator(_currency),
        Field(description="ISO 4217 code.", json_schema_extra={"enum": sorted(CURRENCIES)}),
    ],
)
Country = TypeAliasType(
    "Country",
    Annotated[
        str,
        _trimmed(2),
        AfterValidator(_country),
        Field(description="ISO 3166-1 alpha-2 code.", json_schema_extra={"enum": sorted(COUNTRIES)}),
    ],
)
# Bounds that every time zone keeps within what Python and PostgreSQL can hold.
Instant = Annotated[
    AwareDatetime,
    # A strict model would want a datetime from the validator that comes before this, not a text.
    Field(strict=False, ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC)),
    BeforeValidator(_time),
    # Bounds of times have no keywords in JSON Schema.
    Field(json_schema_extra={"pattern": r"^(19|[2-8]\d)\d\d-"}),
]

Cursor = Annotated[
    str | None,
    Field(
        default=None,
        description="`next_cursor` of the page before, unchanged.",
        examples=["WyJLRVRUTEUtMSJd"],
        json_schema_extra={"minLength": 1, "maxLength": 512},
    ),
]
Limit = Annotated[int, Field(ge=1, le=LARGEST_PAGE, description="Most items to answer with.", examples=[50])]
ACTORS = (
    "Who did it: `key:NAME` for an API key, `jwt:ISSUER#SUBJECT` for a JWT, `carrier:NAME`, `provider:NAME` for a "
    "payment provider, `system`."
)
Actor = Annotated[str, Field(description=ACTORS, examples=["key:shop"])]
CurrencyCode = Annotated[str, Field(description="ISO 4217 code.", json_schema_extra={"pattern": "^[A-Z]{3}$"})]


def order_meant(reference: str | None) -> OrderId | None:
    """The order somebody else's reference names, if it can be one of ours."""
    try:
        return OrderId(UUID(reference)) if reference else None
    except ValueError:
        return None


class Body(BaseModel):
    """Something a caller sends: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class View(BaseModel):
    """Something we answer with."""

    model_config = ConfigDict(
        frozen=True, use_attribute_docstrings=True, json_schema_serialization_defaults_required=True
    )


class Price(Body):
    """An amount in minor units of an ISO 4217 currency: 129999 EUR is 1299.99 euros."""

    amount: Annotated[int, Field(strict=True, ge=0, le=LARGEST_PRICE, description=_MINOR_UNITS)]
    currency: Currency

    def to_money(self) -> Money:
        """The same for the domain."""
        return Money(self.amount, self.currency)


class MoneyView(View):
    """An amount in minor units of an ISO 4217 currency: 129999 EUR is 1299.99 euros."""

    amount: Annotated[int, Field(description=_MINOR_UNITS)]
    currency: CurrencyCode

    @classmethod
    def of(cls, money: Money) -> "MoneyView":
        return cls(amount=money.amount, currency=money.currency)


Item = TypeVar("Item", bound=BaseModel)


class Page(View, Generic[Item]):
    """Part of a list; `next_cursor` is the `cursor` of the following part, null at the end."""

    items: Annotated[list[Item], Field(max_length=LARGEST_PAGE)]
    next_cursor: str | None
