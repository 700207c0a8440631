import copy
from typing import Any

import pytest

from tests.contracts.wire_names import HOW, breakages, current, golden

GOLDEN = golden()


def test_nothing_that_others_rely_on_was_removed_or_renamed() -> None:
    broken = breakages(GOLDEN, current())

    assert not broken, HOW


def test_what_was_added_is_written_down() -> None:
    assert current() == GOLDEN, "run `python -m tests.contracts.wire_names` and commit the difference"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (("workflows", "Order"), "workflows.Order is gone"),
        (("workflows", "Order", "signals", "carrier_event"), "workflows.Order.signals.carrier_event is gone"),
        (("activities", "place_order"), "activities.place_order is gone"),
        (("types", "StartOrder", "lines"), "types.StartOrder.lines is gone"),
        (("types", "ParcelEvent", "parcel.lost"), "types.ParcelEvent.parcel.lost is gone"),
        (("task_queues", "PAYMENTS"), "task_queues.PAYMENTS is gone"),
        (("memo", "MEMO_FINGERPRINT"), "memo.MEMO_FINGERPRINT is gone"),
        (("error_codes", "payment_declined"), "error_codes.payment_declined is gone"),
    ],
)
def test_a_removed_name_is_noticed(path: tuple[str, ...], found: str) -> None:
    changed = _changed(path)

    assert breakages(GOLDEN, changed) == [found]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("types", "Money", "amount"), "str"),
        (("types", "Card", "method"), "str"),
        (("activities", "book_shipment"), "(BookShipment, int) -> ShipmentBooked"),
        (("ids", "order_workflow_id"), "orders/00000000-0000-0000-0000-000000000007"),
        (("task_queues", "ORDERS"), "order"),
        (("encrypted_payload", "encoding"), "binary/aes"),
    ],
)
def test_a_changed_meaning_is_noticed(path: tuple[str, ...], value: str) -> None:
    (found,) = breakages(GOLDEN, _changed(path, value))

    assert found.startswith(".".join(path))


def test_a_new_field_needs_a_default_because_older_senders_do_not_send_it() -> None:
    with_default = _changed(("types", "BookShipment", "insured"), "bool = …")
    without = _changed(("types", "BookShipment", "insured"), "bool")

    assert breakages(GOLDEN, with_default) == []
    assert len(breakages(GOLDEN, without)) == 1


def test_additions_break_nobody() -> None:
    added = _changed(("activities", "insure_shipment"), "(InsureShipment) -> None")
    added = _changed(("types", "InsureShipment"), {"order_id": "UUID"}, added)
    added = _changed(("types", "OrderStatus", "archived"), {}, added)

    assert breakages(GOLDEN, added) == []


def _changed(path: tuple[str, ...], value: Any = None, start: dict[str, Any] = GOLDEN) -> dict[str, Any]:
    tree = copy.deepcopy(start)
    branch = tree
    for name in path[:-1]:
        branch = branch[name]
    if value is None:
        del branch[path[-1]]
    else:
        branch[path[-1]] = value
    return tree
