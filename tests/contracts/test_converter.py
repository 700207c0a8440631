import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from fulfillment.contracts.converter import data_converter
from fulfillment.contracts.steps import ReleaseStock
from fulfillment.domain.errors import CannotTell
from fulfillment.domain.keyring import Key
from tests.contracts.messages import MESSAGES, values_of

PLAIN = data_converter(None)
ENCRYPTED = data_converter([Key("k1", bytes(32))])


@pytest.mark.parametrize("converter", [PLAIN, ENCRYPTED], ids=["plain", "encrypted"])
@pytest.mark.parametrize("message", MESSAGES)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
async def test_a_message_arrives_as_it_was_sent(message: type, converter: DataConverter, data: st.DataObject) -> None:
    value = data.draw(values_of(message))

    (payload,) = await converter.encode([value])

    assert await converter.decode([payload], [message]) == [value]


@pytest.mark.parametrize("message", MESSAGES)
@given(data=st.data())
@settings(max_examples=5, deadline=None)
async def test_a_field_of_a_later_release_is_ignored(message: type, data: st.DataObject) -> None:
    value = data.draw(values_of(message))
    (payload,) = await PLAIN.encode([value])

    newer = json.dumps({**json.loads(payload.data), "added_later": [1, 2]}).encode()

    assert await PLAIN.decode([Payload(metadata=payload.metadata, data=newer)], [message]) == [value]


@pytest.mark.parametrize("wrong", [{}, {"order_id": "no uuid"}, {"order_id": None}])
async def test_a_message_that_lacks_something_is_refused_and_not_guessed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="order_id"):
        await PLAIN.decode(
            [Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(wrong).encode())], [ReleaseStock]
        )


def test_a_refusal_arrives_as_its_code_and_with_what_it_is_about() -> None:
    failure = Failure()
    PLAIN.failure_converter.to_failure(CannotTell("o1:book:1"), PLAIN.payload_converter, failure)
    error = PLAIN.failure_converter.from_failure(failure, PLAIN.payload_converter)

    assert isinstance(error, ApplicationError)
    assert (error.type, error.non_retryable, error.details) == ("cannot_tell", True, ("o1:book:1",))
