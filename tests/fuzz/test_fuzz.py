"""
A sample of what `make fuzz` does, and that it finds what there is to find.
"""

import json
import os
from pathlib import Path

import pytest

from tests.fuzz.planted import planted
from tests.fuzz.rules import is_beyond_schema
from tests.fuzz.run import TOOL, Size, Target, fuzz, judge
from tests.fuzz.stand import Stand
from tests.fuzz.stock import FIXED, LISTS, Dictionaries

_SEED = 3
_FEW = Size(examples=15)
_LISTS = ("orders", "approvals", "delegations", "skus", "parcels", "cursors")


def _known(value: str) -> Dictionaries:
    return {**FIXED, **{name: [value] * len(LISTS) for name in _LISTS}}


needs_schemathesis = pytest.mark.skipif(
    not TOOL.exists() and os.environ.get("CI") != "true",
    reason="schemathesis is not installed: it is in the group `fuzz`",
)


@needs_schemathesis
@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(480)
async def test_no_request_gets_a_5xx_or_an_undocumented_answer_or_leaves_the_books_uneven(tmp_path: Path) -> None:
    async with Stand.up(tmp_path / "stack") as stand:
        results = await fuzz(stand, _FEW, _SEED)

    assert not results.wrong, results.output
    accepted = {row.operation for row in results.answers if row.status < 400}
    assert accepted == {row.operation for row in results.answers}, "nothing but refusals says little"


@needs_schemathesis
@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_every_planted_bug_is_found(tmp_path: Path) -> None:
    async with planted() as api:
        target = Target(api=api, key="key", carrier_secret="whsec_" + "c2VjcmV0" * 4)
        results = await judge(target, _known("TEA"), tmp_path / "fuzz", _FEW, _SEED)

    found = {
        (failure["type"], operation) for failure in results.verdict["failures"] for operation in failure["operations"]
    }
    assert {
        ("ServerError", "GET /crash/{sku}"),
        ("UndefinedStatusCode", "GET /undocumented"),
        ("AcceptedNegativeData", "POST /careless"),
        ("RejectedPositiveData", "POST /strict"),
    } <= found
    assert "GET /crash/{sku} answered 500" in results.wrong


@pytest.mark.parametrize(
    ("messages", "beyond"),
    [
        (["must be the currency of the first line"], True),
        (["must be the currency of the first line", "must not be blank"], False),
        (["must not be blank"], False),
        ([], False),
    ],
)
def test_only_rules_no_schema_can_state_excuse_a_refusal(messages: list[str], *, beyond: bool) -> None:
    errors = [{"field": "lines", "message": message} for message in messages]
    content = json.dumps({"code": "invalid_request", "errors": errors}).encode()

    assert is_beyond_schema(422, content) is beyond
    assert not is_beyond_schema(400, content)
