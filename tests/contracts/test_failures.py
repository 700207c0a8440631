from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.converter import DataConverter
from temporalio.exceptions import ActivityError, ApplicationError, ApplicationErrorCategory
from temporalio.worker import Worker

from fulfillment.contracts.converter import data_converter
from fulfillment.contracts.encryption import UnknownKey
from fulfillment.domain.errors import DomainError, ProviderUnavailable, ReferenceTaken
from fulfillment.domain.keyring import Key
from fulfillment.worker.sandbox import workflow_runner
from tests.contracts.failing_workflow import FailingWorkflow, fail
from tests.contracts.wire_names import subclasses

PLAIN = data_converter(None)
ENCRYPTED = data_converter([Key("k1", bytes(32))])


@pytest.fixture(params=["plain", "encrypted"])
def converter(request: pytest.FixtureRequest) -> DataConverter:
    return PLAIN if request.param == "plain" else ENCRYPTED


@pytest.mark.parametrize("where", ["workflow", "activity"])
async def test_a_refusal_keeps_its_code_out_of_a(where: str, temporal_server: str, converter: DataConverter) -> None:
    async with _running(temporal_server, converter, where) as handle:
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()

    cause: BaseException | None = failed.value.cause
    _is_refusal(cause.cause if isinstance(cause, ActivityError) else cause)


@pytest.mark.parametrize("where", ["in_handler", "in_validator"])
async def test_a_refusal_keeps_its_code_out_of_an_update(
    where: str, temporal_server: str, converter: DataConverter
) -> None:
    async with _running(temporal_server, converter, "nowhere") as handle:
        with pytest.raises(WorkflowUpdateFailedError) as failed:
            await handle.execute_update(where)

    _is_refusal(failed.value.cause)


@pytest.mark.parametrize("error", tuple(subclasses(DomainError)))
async def test_a_refusal_is_final_and_no_alarm(error: type[DomainError]) -> None:
    found = await _sent(PLAIN, _made(error))

    assert found.type == error.code
    assert found.non_retryable
    assert found.category is ApplicationErrorCategory.BENIGN


async def test_a_passing_trouble_is_retried_when_the_other_side_asks_for_it() -> None:
    found = await _sent(PLAIN, ProviderUnavailable("payment provider", timedelta(seconds=3)))

    assert found.type == "provider_unavailable"
    assert not found.non_retryable
    assert found.next_retry_delay == timedelta(seconds=3)


async def test_a_bug_is_retried_and_an_alarm() -> None:
    found = await _sent(PLAIN, KeyError("total"))

    assert found.type == "KeyError"
    assert not found.non_retryable
    assert found.category is ApplicationErrorCategory.UNSPECIFIED


async def test_a_stored_failure_tells_nothing_to_who_has_no_key() -> None:
    failure = await _stored(ENCRYPTED, _caused())

    stored = failure.SerializeToString()
    for private in (b"R-secret", b"Jane Doe", b"test_failures"):
        assert private not in stored
    # What retries and callers branch on must be readable without a key.
    assert failure.application_failure_info.type == "reference_taken"


async def test_a_stored_failure_is_read_with_the_key_and_with_no_other() -> None:
    failure = await _stored(ENCRYPTED, _caused())
    copy = Failure.FromString(failure.SerializeToString())

    assert "R-secret" in str(await ENCRYPTED.decode_failure(failure))
    with pytest.raises(UnknownKey):
        await data_converter([Key("k2", bytes(32))]).decode_failure(copy)


def _is_refusal(error: BaseException | None) -> None:
    assert isinstance(error, ApplicationError)
    assert error.type == "reference_taken"
    assert error.message == "the customer already has an order with the reference 'R-1'"


@asynccontextmanager
async def _running(
    server: str, converter: DataConverter, where: str
) -> AsyncIterator[WorkflowHandle[FailingWorkflow, None]]:
    client = await Client.connect(server, data_converter=converter)
    queue = f"failing-{uuid4()}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[FailingWorkflow],
        activities=[fail],
        workflow_runner=workflow_runner(),
    ):
        handle = await client.start_workflow(FailingWorkflow.run, where, id=queue, task_queue=queue)
        yield handle
        if where == "nowhere":
            await handle.terminate()


def _caused() -> Exception:
    try:
        _refuse()
    except ReferenceTaken as error:
        return error
    raise AssertionError


def _refuse() -> None:
    try:
        int("Jane Doe")
    except ValueError as cause:
        raise ReferenceTaken("R-secret") from cause


async def _stored(converter: DataConverter, error: BaseException) -> Failure:
    failure = Failure()
    await converter.encode_failure(error, failure)
    return failure


async def _sent(converter: DataConverter, error: BaseException) -> ApplicationError:
    found = await converter.decode_failure(await _stored(converter, error))
    assert isinstance(found, ApplicationError)
    return found


def _made(error: type[DomainError]) -> DomainError:
    """One of its kind; what it was made with does not matter here."""
    made = error.__new__(error)
    Exception.__init__(made, "text")
    return made
