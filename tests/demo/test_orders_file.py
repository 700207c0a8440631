from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fulfillment.api.schemas.orders import PlaceOrderBody
from fulfillment.domain.attention import Action
from fulfillment.domain.money import Money
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from fulfillment.local.demo.orders_file import BUILT_IN, MistakesInFile, OrdersFile, read
from fulfillment.local.demo.play import ENVIRONMENT, environment
from fulfillment.local.policies import POLICY_VARIABLE
from fulfillment.settings.approvals import Approvals
from tests.demo import not_yet
from tests.demo.files import a_line, written

ADDRESS = a_line()["shipping_address"]
ITEM = a_line()["lines"][0]
FREE = [{**ITEM, "unit_price": {"amount": 0, "currency": "EUR"}}]
BEFORE_THE_END = (
    "received, awaiting_approval, awaiting_payment, processing, awaiting_shipment, shipped, cancelling, needs_attention"
)


def reading(folder: Path, *lines: dict[str, Any] | str) -> OrdersFile:
    return read(written(folder, *lines), PlaceOrderBody)


def test_our_own_orders_want_every_status_failure_and_question_there_is() -> None:
    file = read(BUILT_IN, PlaceOrderBody)

    expected = [order.scenario.expected for order in file.orders]
    codes = {expectation.code for expectation in expected}
    assert len(file.orders) >= 40
    assert {expectation.status for expectation in expected} == {status for status in OrderStatus if status.is_final}
    assert set(FailureCode) - codes == not_yet.FAILURES
    assert set(AttentionReason) - codes == not_yet.QUESTIONS


def test_our_own_orders_are_of_many_kinds() -> None:
    file = read(BUILT_IN, PlaceOrderBody)

    assert {order.total.currency for order in file.orders} == {"EUR", "USD", "JPY", "KWD"}
    assert {len(order.body["lines"]) for order in file.orders} >= {1, 6}
    assert Money(0, "EUR") in [order.total for order in file.orders]
    assert file.noted == []


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("{", "is not JSON (column 2)"),
        ('{"customer_id": NaN}', "is not JSON"),
        ("[]", "is not a JSON object"),
        (a_line(customer_id=None), "customer_id: is required"),
        (a_line(lines=[]), "lines: List should have at least 1 item after validation, not 0"),
        (a_line(lines=[{**ITEM, "quantity": 0}]), "lines[0].quantity: Input should be greater than or equal to 1"),
        (a_line(lines=[{**ITEM, "colour": "red"}]), "lines[0].colour: is not known here; remove it"),
        (
            a_line(lines=[{**ITEM, "unit_price": {"amount": 1, "currency": "EURO"}}]),
            "lines[0].unit_price.currency: String should have at most 3 characters",
        ),
        (
            a_line(shipping_address={**ADDRESS, "country": "XX"}),
            "shipping_address.country: must be an ISO 3166-1 alpha-2 code in capitals, like DE",
        ),
        (a_line(total_check=9901), "total_check: is 9901, but the lines add up to 9900"),
        (a_line(total_check=True), "total_check: is True, but the lines add up to 9900"),
        (
            a_line(scenario={"decisions": [["manager", "approve"], ["clerk", "approve"]]}),
            "scenario.decisions[1][0]: Input should be 'manager', 'director', 'vp', 'ceo', 'compliance' or 'deputy'",
        ),
        (
            a_line(scenario={"decisions": [["manager", "aprove"]]}),
            "scenario.decisions[0][1]: Input should be 'approve', 'reject', 'abstain' or 'withdraw'",
        ),
        (
            a_line(scenario={"decisions": ["manager"]}),
            'scenario.decisions[0]: must be who decides and what, like ["manager", "approve"]',
        ),
        (a_line(scenario={"decisions": "approve"}), "scenario.decisions: must be a list"),
        (
            a_line(scenario={"decisions": [["manager", "approve"], ["vp", "withdraw"]]}),
            "scenario.decisions: vp has no vote to withdraw; let them vote before",
        ),
        (a_line(scenario={"cancel_at": "returned"}), f"scenario.cancel_at: must be one of {BEFORE_THE_END}"),
        (a_line(scenario={"cancel_at": {}}), f"scenario.cancel_at: must be one of {BEFORE_THE_END}"),
        (a_line(scenario={"pay_later": 7}), "scenario.pay_later: must be a list"),
        (
            a_line(scenario={"pay_later": ["tok_visa", ""]}),
            "scenario.pay_later[1]: String should have at least 1 character",
        ),
        (
            a_line(scenario={"actions": ["retry", "press"]}),
            f"scenario.actions[1]: Input should be {', '.join(map(repr, map(str, list(Action)[:-1])))} or 'reship'",
        ),
        (
            a_line(scenario={"carrier": "pigeon"}),
            "scenario.carrier: Input should be 'deliver', 'none', 'lost', 'return' or 'late_pick_up'",
        ),
        (
            a_line(scenario={"expect": {"status": "rejected", "code": "bad_luck"}}),
            "scenario.expect.code: must be a failure code or what an operator is asked, like stock_short or lost",
        ),
        (
            a_line(scenario={"expect": {"status": "delivered", "code": "stock_short"}}),
            "scenario.expect.code: is a failure, which an order that is delivered does not have",
        ),
        (a_line(scenario={"expect": "delivered"}), "scenario.expect: must be a JSON object"),
        (a_line(lines=["kettle"]), "lines[0]: must be a JSON object"),
        (
            a_line(scenario={"customer": "hesitates"}),
            "scenario.customer: Input should be 'agrees', 'refuses' or 'ignores'",
        ),
        (
            a_line(scenario={"provider": "complains"}),
            "scenario.provider: Input should be 'disputes', 'capture_fails' or 'authorization_expires'",
        ),
        (
            a_line(scenario={"provider": "disputes", "provider_at": "processing"}),
            "scenario.provider_at: must be one of awaiting_shipment, shipped, delivered",
        ),
        (
            a_line(scenario={"provider": "disputes"}, lines=FREE),
            "scenario.provider: there is no payment: the order costs nothing",
        ),
        (
            a_line(scenario={"provider_at": "shipped"}),
            "scenario.provider_at: says when, so `provider` must say what",
        ),
        (a_line(scenario={"wind": "north"}), "scenario.wind: is not known here; remove it"),
        (a_line(scenario={"expect": {"code": "stock_short"}}), "scenario.expect.status: is required"),
        (a_line(metadata=7), "metadata: Input should be a valid dictionary"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_field(tmp_path: Path, line: dict[str, Any] | str, mistake: str) -> None:
    with pytest.raises(MistakesInFile) as refused:
        reading(tmp_path, a_line("R-0"), "", line)

    assert str(refused.value) == f"{tmp_path / 'orders.jsonl'}: line 3: {mistake}"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(MistakesInFile) as refused:
        reading(tmp_path, a_line(customer_id=None, lines=None), *["x"] * 30)

    told = str(refused.value).splitlines()
    assert [line.partition(": ")[2] for line in told[:3]] == [
        "line 1: customer_id: is required",
        "line 1: lines: is required",
        "line 2: is not JSON (column 1)",
    ]
    assert told[-1].endswith("and 12 more")


def test_a_reference_used_twice_by_a_customer_is_a_mistake(tmp_path: Path) -> None:
    other = a_line("R-1", customer_id="C-2")

    with pytest.raises(MistakesInFile, match=r"line 3: reference: C-1 uses it on line 1 already"):
        reading(tmp_path, a_line("R-1"), other, a_line("R-1"))


@pytest.mark.parametrize(
    ("content", "mistake"), [(None, "cannot be read: No such file"), (b"\n \n", "no orders"), (b"\xff", "UTF-8")]
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes | None, mistake: str) -> None:
    path = tmp_path / "orders.jsonl"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(MistakesInFile, match=mistake):
        read(path, PlaceOrderBody)


def test_what_is_no_part_of_an_order_goes_to_its_metadata(tmp_path: Path) -> None:
    extra: dict[str, Any] = {
        "buyer": {"name": "Zoë", "tags": ["a", 1]},
        "lots": [{"n": 1}],
        "empty": None,
        "long": "x" * 600,
    }

    file = reading(tmp_path, a_line(**extra, metadata={"channel": "web"}))

    metadata = file.orders[0].body["metadata"]
    assert metadata == {
        "buyer.name": "Zoë",
        "buyer.tags": "a, 1",
        "lots": '[{"n": 1}]',
        "long": "x" * 497 + "...",
        "channel": "web",
    }
    assert file.noted == ["buyer", "long", "lots"]


def test_an_order_pays_with_its_own_card_the_scenarios_or_a_good_one_unless_it_costs_nothing(tmp_path: Path) -> None:
    card = {"method": "card", "token": "tok_slow"}
    free = a_line("R-4", lines=FREE)

    file = reading(
        tmp_path, a_line(), a_line("R-2", payment=card), a_line("R-3", scenario={"token": "tok_declined"}), free
    )

    assert [order.body.get("payment", {}).get("token") for order in file.orders] == [
        "tok_visa",
        "tok_slow",
        "tok_declined",
        None,
    ]


def test_an_order_that_is_to_wait_for_a_payment_is_placed_without_one(tmp_path: Path) -> None:
    file = reading(
        tmp_path,
        a_line("R-1", scenario={"pay_later": "tok_visa"}),
        a_line("R-2", scenario={"cancel_at": "awaiting_payment"}),
        a_line("R-3", scenario={"expect": {"status": "awaiting_payment"}}),
        a_line("R-4", scenario={"expect": {"status": "rejected", "code": "payment_expired"}}),
        a_line("R-5", scenario={"pay_later": ["tok_visa"], "token": "tok_declined"}),
    )

    assert [bool(order.body.get("payment")) for order in file.orders] == [False] * 4 + [True]
    assert [order.scenario.pay_later for order in file.orders] == [("tok_visa",), (), (), (), ("tok_visa",)]


@pytest.mark.parametrize(
    ("scenario", "shortened"),
    [
        ({"pay_later": "tok_visa", "carrier": "none"}, set()),
        ({"expect": {"status": "rejected", "code": "payment_expired"}}, {"FULFILLMENT_ORDERS__PAYMENT_WINDOW"}),
        ({"carrier": "none", "actions": ["cancel"]}, {"FULFILLMENT_ORDERS__HAND_OVER_WINDOW"}),
        (
            {"carrier": "none", "actions": ["found"], "expect": {"status": "delivered", "code": "delivery_overdue"}},
            {"FULFILLMENT_ORDERS__DELIVERY_WINDOW"},
        ),
        ({"expect": {"status": "delivered", "code": "capture_overdue"}}, {"FULFILLMENT_ORDERS__CAPTURE_PATIENCE"}),
        ({"expect": {"status": "delivered", "code": "outcome_unknown"}}, {"FULFILLMENT_ORDERS__KEY_MEMORY"}),
    ],
)
def test_a_deadline_is_short_only_for_a_file_that_lets_it_pass(
    tmp_path: Path, scenario: dict[str, Any], shortened: set[str]
) -> None:
    told = environment(reading(tmp_path, a_line("R-1"), a_line("R-2", scenario=scenario)))

    assert told.keys() - ENVIRONMENT.keys() == shortened | {POLICY_VARIABLE}


DEAR = [{"sku": "SKU-1", "name": "Sofa", "quantity": 1, "unit_price": {"amount": 249000, "currency": "EUR"}}]
BY_A_MANAGER = {"decisions": [["manager", "approve"]]}


@pytest.mark.parametrize(
    ("line", "is_short"),
    [
        (a_line(lines=DEAR), False),
        (a_line(lines=DEAR, scenario={"decisions": [["manager", "reject"]]}), False),
        (a_line(lines=DEAR, scenario={"decisions": [["deputy", "approve"]]}), False),
        (a_line(lines=DEAR, scenario={"cancel_at": "awaiting_approval"}), False),
        (a_line(lines=DEAR, scenario={"decisions": []}), True),
        (a_line(lines=DEAR, scenario={"decisions": [["director", "approve"]]}), True),
        (a_line(shipping_address={**ADDRESS, "country": "AQ"}, scenario={"decisions": []}), False),
        (a_line(shipping_address={**ADDRESS, "country": "AQ"}, scenario=BY_A_MANAGER), False),
    ],
)
def test_people_have_days_unless_somebody_is_to_be_late_where_seconds_are_not_usual(
    tmp_path: Path, line: dict[str, Any], is_short: bool
) -> None:
    told = environment(reading(tmp_path, line))[POLICY_VARIABLE]

    levels = [rule.level for rule in Approvals.model_validate({"policy": told}).effective().levels]
    (manager,) = (level for level in levels if level.role == "manager")
    assert (manager.escalate_after < timedelta(minutes=1)) is is_short


def test_a_late_pick_up_is_agreed_with_the_carrier_by_postal_code(tmp_path: Path) -> None:
    (order,) = reading(tmp_path, a_line(scenario={"carrier": "late_pick_up", "cancel_at": "processing"})).orders

    assert order.body["shipping_address"] == {**ADDRESS, "postal_code": "TEST-TOO-LATE"}


@pytest.mark.parametrize(
    ("scenario", "status", "code"),
    [
        ({}, "delivered", None),
        ({"carrier": "none"}, "awaiting_shipment", None),
        ({"carrier": "lost"}, "delivered", None),
        ({"cancel_at": "processing"}, "cancelled", "cancelled"),
        ({"cancel_at": "awaiting_shipment", "carrier": "none"}, "cancelled", "cancelled"),
        ({"cancel_at": "awaiting_shipment", "carrier": "late_pick_up"}, "delivered", None),
        ({"cancel_at": "shipped"}, "delivered", None),
        ({"decisions": [["manager", "approve"]]}, "delivered", None),
        ({"decisions": [["manager", "approve"], ["director", "reject"]]}, "rejected", "approval_rejected"),
        ({"decisions": []}, "rejected", "approval_expired"),
        ({"decisions": [], "cancel_at": "awaiting_approval"}, "cancelled", "cancelled"),
        ({"expect": {"status": "needs_attention", "code": "undo_failed"}}, "needs_attention", "undo_failed"),
    ],
)
def test_where_an_order_is_to_arrive_follows_from_its_scenario(
    tmp_path: Path, scenario: dict[str, Any], status: str, code: str | None
) -> None:
    expected = reading(tmp_path, a_line(scenario=scenario)).orders[0].scenario.expected

    assert (expected.status, expected.code) == (status, code)


def test_another_parcel_needs_its_own_stock(tmp_path: Path) -> None:
    file = reading(tmp_path, a_line(scenario={"carrier": "lost", "actions": ["reship"]}))

    assert [article.on_hand for article in file.stock] == [4]


def test_the_stock_is_the_demand_unless_warehouse_or_scenario_say_otherwise(tmp_path: Path) -> None:
    def wants(sku: str, reference: str, quantity: int = 2, **more: Any) -> dict[str, Any]:
        return a_line(reference, lines=[{**ITEM, "sku": sku, "quantity": quantity}], **more)

    def ends(code: str) -> dict[str, Any]:
        return {"scenario": {"expect": {"status": "rejected", "code": code}}}

    written(
        tmp_path,
        {"sku": "COUNTED", "on_hand": 7, "units_on_order": 3},
        {"sku": "WANTED", "units_in_stock": 1},
        name="inventory.jsonl",
    )

    file = reading(
        tmp_path,
        wants("WANTED", "R-1"),
        wants("WANTED", "R-2", 3),
        wants("COUNTED", "R-3"),
        wants("SHORT", "R-4", **ends("stock_short")),
        wants("UNKNOWN", "R-5", **ends("unknown_sku")),
    )

    assert {article.sku: article.on_hand for article in file.stock} == {"WANTED": 5, "COUNTED": 7, "SHORT": 0}


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ({"on_hand": 1}, "line 1: sku: is required"),
        ({"sku": "A", "on_hand": "many"}, "line 1: on_hand: must be a whole number, 0 or more"),
        ({"sku": "A", "on_hand": -1}, "line 1: on_hand: must be a whole number, 0 or more"),
        ("?", "line 1: is not JSON (column 1)"),
    ],
)
def test_a_mistake_in_the_warehouses_file_is_told_too(tmp_path: Path, line: dict[str, Any] | str, mistake: str) -> None:
    written(tmp_path, line, name="inventory.jsonl")

    with pytest.raises(MistakesInFile) as refused:
        reading(tmp_path, a_line())

    assert str(refused.value) == f"{tmp_path / 'inventory.jsonl'}: {mistake}"
