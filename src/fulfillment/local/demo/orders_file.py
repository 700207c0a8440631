"""
Reading a file of orders (JSON Lines): everything that is wrong with it is told before anything is started.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from fulfillment.domain.money import Money
from fulfillment.domain.orders import FailureCode
from fulfillment.local.demo.metadata import as_metadata
from fulfillment.local.demo.scenarios import DEFAULT_TOKEN, LATER, TOO_LATE, Journey, Scenario

BUILT_IN = Path(__file__).with_name("orders.jsonl")
"""Orders of our own, one for every way an order can go."""

_MOST_MISTAKES = 20
_PIECES: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(strict=True, ge=0)])
_UNDONE_LATE = "tok_capture_declined"
_PLAIN = {"missing": "is required", "extra_forbidden": "is not known here; remove it", "tuple_type": "must be a list"}

Json = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)


class MistakesInFile(Exception):
    """The file cannot be used; the message has one line per mistake, with the number of its line and its field."""

    def __init__(self, path: Path, mistakes: Sequence[str]) -> None:
        shown = [f"{path}: {mistake}" for mistake in mistakes[:_MOST_MISTAKES]]
        if len(mistakes) > _MOST_MISTAKES:
            shown.append(f"{path}: and {len(mistakes) - _MOST_MISTAKES} more")
        super().__init__("\n".join(shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOrder:
    """One line: the body to be sent and what is to become of it."""

    line: int
    body: Mapping[str, Any] = field(repr=False)
    total: Money
    scenario: Scenario

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.body.get("reference") or f"line {self.line}")

    @property
    def idempotency_key(self) -> str:
        """The same whenever this line is sent."""
        return f"demo-line-{self.line}"

    @property
    def arrives(self) -> bool:
        """Its parcel may simply move on: no undo is to meet it on its way."""
        given = (self.body.get("payment") or {}).get("token")
        return self.scenario.arrives and given != _UNDONE_LATE

    @property
    def summary(self) -> str:
        """What is special about it."""
        postal_code = self.body["shipping_address"].get("postal_code") or ""
        told = [postal_code] if postal_code.startswith("TEST-") and postal_code != TOO_LATE else []
        return ", ".join([*told, *self.scenario.summary()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """What is to be in the warehouse before the first order."""

    sku: str
    name: str
    on_hand: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersFile:
    """The orders, the stock they need, and the keys that went to their metadata."""

    orders: Sequence[FileOrder]
    stock: Sequence[Article]
    noted: Sequence[str]


class _Mistake(Exception):
    """One or more mistakes on one line."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes


def read(path: Path, body_type: type[BaseModel]) -> OrdersFile:
    """
    Read a file of orders and the `inventory.jsonl` beside it, if there is one.

    Args:
        path: the file.
        body_type: what the API accepts as an order.

    Raises:
        MistakesInFile: naming every mistake.
    """
    reader = _Reader(body_type)
    orders = [order for number, line in _lines(path) if (order := reader.order(number, line))]
    if not orders and not reader.mistakes:
        reader.mistakes.append("has no orders")
    if reader.mistakes:
        raise MistakesInFile(path, reader.mistakes)
    return OrdersFile(orders=orders, stock=_stock(orders, path), noted=sorted(reader.noted))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MistakesInFile(path, [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise MistakesInFile(path, ["is not text in UTF-8"]) from error
    # Not `splitlines`: a JSON text may hold characters that one takes for the end of a line.
    return ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


class _Reader:
    def __init__(self, body_type: type[BaseModel]) -> None:
        self.mistakes: list[str] = []
        self.noted: set[str] = set()
        self._body_type = body_type
        self._references: dict[tuple[str, str], int] = {}

    def order(self, number: int, text: str) -> FileOrder | None:
        try:
            return self._order(number, _object(text))
        except _Mistake as mistake:
            self.mistakes += [f"line {number}: {what}" for what in mistake.mistakes]
            return None

    def _order(self, number: int, line: Json) -> FileOrder:
        scenario = _scenario(line.pop("scenario", None))
        expected_total = line.pop("total_check", None)
        body = self._with_metadata(line)
        if scenario.token:
            body["payment"] = {"method": "card", "token": scenario.token}
        if scenario.carrier is Journey.LATE_PICK_UP and isinstance(body.get("shipping_address"), dict):
            body["shipping_address"] = {**body["shipping_address"], "postal_code": TOO_LATE}
        _validated(self._body_type, body)
        total = _total(body)
        if expected_total is not None and (expected_total is True or expected_total != total.amount):
            raise _Mistake(f"total_check: is {expected_total}, but the lines add up to {total.amount}")
        if total.amount and not body.get("payment") and not scenario.waits_for_card:
            body["payment"] = {"method": "card", "token": DEFAULT_TOKEN}
        self._remember(number, body)
        return FileOrder(line=number, body=body, total=total, scenario=scenario)

    def _with_metadata(self, line: Json) -> Json:
        """The body of the request: what is no part of an order is noted beside it."""
        known = self._body_type.model_fields
        unknown = {name: value for name, value in line.items() if name not in known}
        body = {name: value for name, value in line.items() if name in known}
        given = body.get("metadata") or {}
        if unknown and isinstance(given, dict):
            self.noted |= unknown.keys()
            body["metadata"] = {**as_metadata(unknown), **given}
        return body

    def _remember(self, number: int, body: Json) -> None:
        reference = body.get("reference")
        if reference is None:
            return
        first = self._references.setdefault((body["customer_id"].strip(), reference.strip()), number)
        if first != number:
            raise _Mistake(f"reference: {body['customer_id']} uses it on line {first} already")


def _object(text: str) -> Json:
    try:
        value = json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        raise _Mistake("is not JSON") from None
    if not isinstance(value, dict):
        raise _Mistake("is not a JSON object")
    return value


def _not_json(_: str) -> NoReturn:
    raise ValueError


def _scenario(value: object) -> Scenario:
    if value is None:
        return Scenario()
    used = [name for name in LATER if isinstance(value, dict) and value.get(name) is not None]
    if used:
        raise _Mistake(*(f"scenario.{name}: comes with a later release; leave it out" for name in used))
    plain = {name: part for name, part in value.items() if name not in LATER} if isinstance(value, dict) else value
    return _validated(Scenario, plain, "scenario")


def _validated(kind: type[Model], value: object, within: str = "") -> Model:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise _Mistake(*(_explained(problem, within) for problem in error.errors(include_input=False))) from None


def _explained(problem: Mapping[str, Any], within: str) -> str:
    field = within
    for part in problem["loc"]:
        if part != "[key]":
            field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
    return f"{field or 'order'}: {_PLAIN.get(problem['type'], problem['msg'])}"


def _total(body: Json) -> Money:
    lines = body["lines"]
    amount = sum(line["quantity"] * line["unit_price"]["amount"] for line in lines)
    return Money(amount, lines[0]["unit_price"]["currency"].strip())


def _stock(orders: Sequence[FileOrder], path: Path) -> list[Article]:
    """
    All that the orders want, so that none is short, unless the warehouse's own file or the scenario says otherwise.
    """
    on_hand = _warehouse(path.with_name("inventory.jsonl"))
    names: dict[str, str] = {}
    demand: dict[str, int] = {}
    for order in orders:
        code = order.scenario.expected.code
        for line in order.body["lines"]:
            sku = line["sku"].strip()
            if code is not FailureCode.UNKNOWN_SKU or sku in on_hand:
                names.setdefault(sku, line["name"].strip())
            if code not in (FailureCode.UNKNOWN_SKU, FailureCode.STOCK_SHORT):
                demand[sku] = demand.get(sku, 0) + line["quantity"] * order.scenario.parcels
    return [Article(sku=sku, name=name, on_hand=on_hand.get(sku, demand.get(sku, 0))) for sku, name in names.items()]


def _warehouse(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    on_hand: dict[str, int] = {}
    mistakes: list[str] = []
    for number, text in _lines(path):
        try:
            line = _object(text)
            if line.get("on_hand") is not None:
                on_hand[str(line["sku"])] = _PIECES.validate_python(line["on_hand"])
        except _Mistake as mistake:
            mistakes.append(f"line {number}: {mistake.mistakes[0]}")
        except KeyError:
            mistakes.append(f"line {number}: sku: is required")
        except ValidationError:
            mistakes.append(f"line {number}: on_hand: must be a whole number, 0 or more")
    if mistakes:
        raise MistakesInFile(path, mistakes)
    return on_hand
