"""
Whose approval an order needs: where the policy is, and how it is read.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, InstanceOf, ValidationError
from pydantic_settings import NoDecode

from fulfillment.domain.approval_policy import Policy
from fulfillment.settings.policy_document import DEFAULT_POLICY, PolicyDocument
from fulfillment.settings.values import Section

# Of a file; a device has no end.
_LONGEST = 1_000_000


def _policy(value: object) -> object:
    """
    A policy written down inline or in a file.

    Raises:
        ValueError: it cannot be read, or what it says is wrong; names the field.
    """
    if value is None or isinstance(value, Policy):
        return value
    source, document = _document(value) if isinstance(value, str) else ("", value)
    try:
        return PolicyDocument.model_validate(document).to_policy()
    except ValidationError as error:
        raise ValueError(source + "; ".join(_problems(error))) from None


def _document(value: str) -> tuple[str, Mapping[str, Any]]:
    """What was written, and how to call it. Numbers with a point stay text: rates are never binary fractions."""
    if value.strip() and not value.lstrip().startswith("{"):
        return f"{value}: ", _toml(value)
    try:
        document: Mapping[str, Any] = json.loads(value, parse_float=str)
    except (ValueError, RecursionError):
        msg = 'must be JSON ({"version": ...}) or the path of a TOML file'
        raise ValueError(msg) from None
    return "", document


def _toml(path: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(_content(path).decode(), parse_float=str)
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); give the path of a TOML file this process may read"
        raise ValueError(msg) from None
    except (ValueError, RecursionError) as error:
        msg = f"{path}: is no TOML in UTF-8 ({error})"
        raise ValueError(msg) from None


def _content(path: str) -> bytes:
    """
    All of a file.

    Raises:
        ValueError: it is too long; half a policy is another policy.
    """
    with Path(path).open("rb") as file:
        content = file.read(_LONGEST + 1)
    if len(content) > _LONGEST:
        msg = f"longer than {_LONGEST} bytes"
        raise ValueError(msg)
    return content


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False):
        reason = problem["msg"].removeprefix("Value error, ")
        place = _place(problem["loc"])
        yield f"{place}: {reason}" if place else reason


def _place(location: tuple[int | str, ...]) -> str:
    """`levels[1].from.USD`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location if part != "[key]")
    return "".join(parts).removeprefix(".")


class Approvals(Section):
    """Whose approval an order needs; a change touches orders that are placed or amended from then on."""

    policy: Annotated[InstanceOf[Policy] | None, NoDecode, BeforeValidator(_policy)] = Field(
        default=None,
        description="The path of a TOML file, or the same as JSON (begins with `{`), see [the policy]"
        "(approval-policy.md). Without it: `manager` from 1 000 USD, and `director` from 10 000, `vp` from 100 000, "
        "`ceo` from 1 000 000.",
    )

    def effective(self) -> Policy:
        """The policy that is in force."""
        return self.policy or DEFAULT_POLICY
