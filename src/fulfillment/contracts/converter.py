"""
How values and errors cross Temporal: pydantic JSON, stable error codes, encryption.

The same converter serves client, workers and replayer.
"""

import dataclasses
from collections.abc import Sequence

from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, pydantic_data_converter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadConverter,
)
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from fulfillment.contracts.encryption import Cipher, EncryptionCodec
from fulfillment.domain.errors import DomainError, TransientError
from fulfillment.domain.keyring import Key


class CodedFailureConverter(DefaultFailureConverter):
    """
    Gives our own errors their code as type, so that renaming a class breaks neither retries nor callers.

    A final error is not retried and not counted as an error of the worker; a transient one carries its delay.
    """

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Translate, then convert as usual."""
        super().to_failure(coded(exception), payload_converter, failure)


class EncryptedFailureConverter(CodedFailureConverter):
    """The same, with message and stack trace encrypted like a payload."""

    def __init__(self) -> None:
        super().__init__(encode_common_attributes=True)


def coded(exception: BaseException) -> BaseException:
    """The error as Temporal is to see it: ours with their code, all others as they are."""
    if isinstance(exception, DomainError):
        error = ApplicationError(
            str(exception),
            *exception.details,
            type=exception.code,
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        )
    elif isinstance(exception, TransientError):
        error = ApplicationError(str(exception), type=exception.code, next_retry_delay=exception.retry_after)
    else:
        return exception
    error.__cause__ = exception.__cause__
    return error.with_traceback(exception.__traceback__)


_JSON = PydanticJSONPlainPayloadConverter()


class SharedPydanticConverter(CompositePayloadConverter):
    """
    The SDK's pydantic converter with one cache of type adapters for the process.

    The SDK makes a converter for every workflow, and one of its own would build its adapters again for each order
    (measured: 3 ms).
    """

    def __init__(self) -> None:
        converters = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(
            *(_JSON if isinstance(converter, JSONPlainPayloadConverter) else converter for converter in converters)
        )


def data_converter(keys: Sequence[Key] | None) -> DataConverter:
    """The converter of this service; without keys Temporal stores plain JSON."""
    if not keys:
        return dataclasses.replace(
            pydantic_data_converter,
            payload_converter_class=SharedPydanticConverter,
            failure_converter_class=CodedFailureConverter,
        )
    return dataclasses.replace(
        pydantic_data_converter,
        payload_converter_class=SharedPydanticConverter,
        failure_converter_class=EncryptedFailureConverter,
        payload_codec=EncryptionCodec(Cipher(keys)),
    )
