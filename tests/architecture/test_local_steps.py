import ast

from tests.architecture.sources import PACKAGE, modules

# Each follows from what is in the history already, whatever messages come beside it.
_BOUND_TO_COME = {
    "place_order",
    "open_approval",
    "take_over",
    "read_standing",
    "record_parcel_event",
    "record_late_event",
    "record_late_payment",
    "release_stock",
    "close_order",
}


def test_only_steps_that_are_bound_to_come_run_locally() -> None:
    # A local step commits before its workflow task does. Had a message or a timer decided on it, a worker that dies in
    # between would leave the row ahead of the workflow: the task runs again with what came since.
    calls = [
        node
        for path in modules(PACKAGE / "workflows")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "database_step"
    ]
    local = {call.args[0].attr for call in calls if isinstance(call.args[0], ast.Attribute)}

    assert len(calls) >= len(local) > 0
    assert local == _BOUND_TO_COME
