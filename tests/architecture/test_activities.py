import dataclasses
import importlib
import inspect
import pkgutil
from abc import ABC
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from temporalio import activity

import fulfillment.activities
import fulfillment.contracts
from fulfillment.bootstrap import Activities
from fulfillment.contracts.naming import TaskQueue
from fulfillment.contracts.payments import PaymentActivities
from fulfillment.contracts.shipping import ShippingActivities
from fulfillment.worker.registry import WORKFLOWS, activities_on
from tests.contracts.wire_names import workflow_definitions


def _contracts() -> Iterator[Any]:
    for module in pkgutil.iter_modules(fulfillment.contracts.__path__, "fulfillment.contracts."):
        for _, cls in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if cls.__module__ == module.name and _steps(cls):
                yield cls


def _steps(cls: Any) -> dict[str, Callable[..., Any]]:
    definitions = {name: activity._Definition.from_callable(step) for name, step in inspect.getmembers(cls, callable)}
    return {name: getattr(cls, name) for name, definition in definitions.items() if definition}


def _implementations(contract: Any) -> list[Any]:
    for module in pkgutil.iter_modules(fulfillment.activities.__path__, "fulfillment.activities."):
        importlib.import_module(module.name)
    return [cls for cls in contract.__subclasses__() if cls.__module__.startswith("fulfillment.activities.")]


CONTRACTS = tuple(_contracts())


def test_no_two_steps_share_a_name_on_the_wire() -> None:
    names = [name for contract in CONTRACTS for name in _steps(contract)]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_contract_declares_abstract_steps_only(contract: type[ABC]) -> None:
    # One that is not abstract would be accepted by a worker although nobody implements it.
    assert frozenset(_steps(contract)) == contract.__abstractmethods__


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_contract_is_implemented_exactly_once(contract: type[ABC]) -> None:
    (implementation,) = _implementations(contract)

    assert not inspect.isabstract(implementation)
    assert frozenset(_steps(implementation)) == contract.__abstractmethods__


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_step_takes_one_message_and_never_blocks_the_event_loop(contract: type[ABC]) -> None:
    for name, step in _steps(_implementations(contract)[0]).items():
        assert inspect.iscoroutinefunction(step), name
        assert list(inspect.signature(step).parameters) == ["self", "request"], name


def test_every_step_runs_on_exactly_one_queue() -> None:
    registered = [name for queue in TaskQueue for name in _registered(queue)]

    assert sorted(registered) == sorted(name for contract in CONTRACTS for name in _steps(contract))


def test_a_provider_s_queue_runs_that_provider_s_steps_and_nothing_else() -> None:
    # Its rate limit and its slots are the provider's.
    assert set(_registered(TaskQueue.PAYMENTS)) == {*_steps(PaymentActivities), "find_payments"}
    assert set(_registered(TaskQueue.SHIPPING)) == {*_steps(ShippingActivities), "find_shipments"}


def test_every_workflow_runs_on_exactly_one_queue() -> None:
    defined = [definition.cls for definition in workflow_definitions()]
    registered = [cls for queue in TaskQueue for cls in WORKFLOWS[queue]]

    assert sorted(map(repr, registered)) == sorted(map(repr, defined))


class _Names:
    """Answers for any activity with its name."""

    def __getattr__(self, name: str) -> str:
        return name


def _registered(queue: TaskQueue) -> list[str]:
    names: Any = _Names()
    found: list[Any] = activities_on(
        queue, Activities(**dict.fromkeys((field.name for field in dataclasses.fields(Activities)), names))
    )
    return found
