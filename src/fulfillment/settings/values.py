"""
How a setting is written, whatever it is about.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator


def _seconds(value: object, read: ValidatorFunctionWrapHandler) -> object:
    """A plain number is seconds; the rest (`PT30S`, `P7D`, `7 days`) is for pydantic to read."""
    with suppress(ValueError):
        value = float(value) if isinstance(value, str) else value
    try:
        return read(value)
    except ValidationError as error:
        if not error.errors()[0]["type"].startswith("time_delta"):
            raise  # it can be read, and is out of bounds
        msg = "must be seconds (`90`) or like `PT30S`, `PT5M`, `PT12H`, `P7D`"
        raise ValueError(msg) from None


Duration = Annotated[timedelta, WrapValidator(_seconds), Field(ge=timedelta(0))]
"""Seconds, or ISO 8601 (`PT30S`, `P7D`)."""
Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """Settings that belong together; a name that is none of them is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
