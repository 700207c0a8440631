"""
Reading a file of orders (JSON Lines): everything that is wrong with it is told before anything is started.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from fulfillment.domain.money import Money
from fulfillment.domain.orders import FailureCode
from fulfillment.local.demo.scenarios import ASKS_CUSTOMER, DEFAULT_TOKEN, TOO_LATE, Journey, Scenario
from fulfillment.local.order_lines import BadLine, Json, Line, Mistake, json_object, lines, order_line

BUILT_IN = Path(__file__).with_name("orders.jsonl")
"""Orders of our own, one for every way an order can go."""

_MOST_MISTAKES = 20
_PIECES: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(strict=True, ge=0)])
_NEEDS_SOMEBODY = ("tok_capture_declined", ASKS_CUSTOMER)
_PLAIN = {
    "missing": "is required",
    "extra_forbidden": "is not known here; remove it",
    "tuple_type": "must be a list",
    "model_type": "must be a JSON object",
}

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
        """Its parcel may simply move on: no undo is to meet it on its way, and nobody is asked for anything."""
        given = (self.body.get("payment") or {}).get("token")
        return self.scenario.arrives and given not in _NEEDS_SOMEBODY


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
    orders = [order for line in _lines(path) if (order := reader.order(line))]
    if not orders and not reader.mistakes:
        reader.mistakes.append("has no orders")
    if reader.mistakes:
        raise MistakesInFile(path, reader.mistakes)
    return OrdersFile(orders=orders, stock=_stock(orders, path), noted=sorted(reader.noted))


def _lines(path: Path) -> Iterator[Line]:
    try:
        with path.open("rb") as file:
            yield from lines(file)
    except OSError as error:
        raise MistakesInFile(path, [f"cannot be read: {error.strerror}"]) from error


class _Reader:
    def __init__(self, body_type: type[BaseModel]) -> None:
        self.mistakes: list[str] = []
        self.noted: set[str] = set()
        self._body_type = body_type
        self._references: dict[tuple[str, str], int] = {}

    def order(self, line: Line) -> FileOrder | None:
        try:
            return self._order(line)
        except BadLine as bad:
            self.mistakes += [f"line {line.number}: {mistake}" for mistake in bad.mistakes]
            return None

    def _order(self, line: Line) -> FileOrder:
        found = order_line(line)
        scenario, body = _scenario(found.original.get("scenario")), found.body
        if scenario.carrier is Journey.LATE_PICK_UP and isinstance(body.get("shipping_address"), dict):
            body["shipping_address"] = {**body["shipping_address"], "postal_code": TOO_LATE}
        _validated(self._body_type, body)
        total = _total(body)
        if scenario.provider and not total.amount:
            raise BadLine(Mistake("scenario.provider", "there is no payment: the order costs nothing"))
        if total.amount and not body.get("payment") and not scenario.waits_for_card:
            body["payment"] = {"method": "card", "token": DEFAULT_TOKEN}
        self._remember(line.number, body)
        self.noted |= found.extra
        return FileOrder(line=line.number, body=body, total=total, scenario=scenario)

    def _remember(self, number: int, body: Json) -> None:
        reference = body.get("reference")
        if reference is None:
            return
        first = self._references.setdefault((body["customer_id"].strip(), reference.strip()), number)
        if first != number:
            raise BadLine(Mistake("reference", f"{body['customer_id']} uses it on line {first} already"))


def _scenario(value: object) -> Scenario:
    return Scenario() if value is None else _validated(Scenario, value, "scenario")


def _validated(kind: type[Model], value: object, within: str = "") -> Model:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise BadLine(*(_explained(problem, within) for problem in error.errors(include_input=False))) from None


def _explained(problem: Mapping[str, Any], within: str) -> Mistake:
    field = within
    for part in problem["loc"]:
        if part != "[key]":
            field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
    return Mistake(field or "order", _PLAIN.get(problem["type"], problem["msg"]))


def _total(body: Json) -> Money:
    items = body["lines"]
    amount = sum(item["quantity"] * item["unit_price"]["amount"] for item in items)
    return Money(amount, items[0]["unit_price"]["currency"].strip())


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
    for line in _lines(path):
        try:
            article = json_object(line)
            if article.get("on_hand") is not None:
                on_hand[str(article["sku"])] = _PIECES.validate_python(article["on_hand"])
        except BadLine as bad:
            mistakes.append(f"line {line.number}: {bad}")
        except KeyError:
            mistakes.append(f"line {line.number}: sku: is required")
        except ValidationError:
            mistakes.append(f"line {line.number}: on_hand: must be a whole number, 0 or more")
    if mistakes:
        raise MistakesInFile(path, mistakes)
    return on_hand
