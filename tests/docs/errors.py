"""
docs/errors.md: every code of a problem, as the problem pages explain it, and every reason an order fails for.

    python -m tests.docs.errors    writes the page anew
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from textwrap import fill

from fulfillment.api.problem_pages import EXPLANATIONS
from fulfillment.api.problems import PROBLEM_TYPES
from fulfillment.domain.orders import FAILURE_MESSAGES, FailureCode
from tests.api.openapi import golden, resolved
from tests.docs.generated import DOCS, cell, how, renewed

MODULE = "tests.docs.errors"
PAGE = DOCS / "errors.md"
RENEW = how(MODULE)

AGAIN: Mapping[int, str] = {
    408: "**yes**",
    409: "after reading again",
    412: "after reading again",
    429: "**yes**, after `Retry-After`",
    500: "**yes**",
    503: "**yes**, after `Retry-After`",
}
"""Whether the same request may succeed later, by status; others are refused in the same way again."""

# Refused before a route is found, so by no operation of the document in particular.
_OF_NO_OPERATION = "method_not_allowed"
_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Afterwards:
    """Where a failure leaves the order, and what the caller does next."""

    ends_as: str
    advice: str


_OTHER_CARD = "Ask for another card and place a new order. Nothing is taken."
_LOOK_AT_APPROVAL = "Read why in its approval; place a new order if it is still wanted."

AFTERWARDS: Mapping[FailureCode, Afterwards] = {
    FailureCode.UNKNOWN_SKU: Afterwards("rejected", "Correct the SKU, or have the article counted; place a new order."),
    FailureCode.STOCK_SHORT: Afterwards("rejected", "Order less, or place it again when there is more."),
    FailureCode.PAYMENT_DECLINED: Afterwards("rejected", _OTHER_CARD),
    FailureCode.INSUFFICIENT_FUNDS: Afterwards("rejected", _OTHER_CARD),
    FailureCode.PAYMENT_UNAVAILABLE: Afterwards("rejected", "Place it again later. What was set aside is freed."),
    FailureCode.PAYMENT_EXPIRED: Afterwards("rejected", "Place a new order if it is still wanted."),
    FailureCode.CARRIER_REFUSED: Afterwards("rejected", "Place a new order with another address."),
    FailureCode.CARRIER_UNAVAILABLE: Afterwards("rejected", "Place it again later. What was set aside is freed."),
    FailureCode.APPROVAL_REJECTED: Afterwards("rejected", _LOOK_AT_APPROVAL),
    FailureCode.APPROVAL_EXPIRED: Afterwards("rejected", "Place a new order if it is still wanted. Nobody decided."),
    FailureCode.REFERENCE_TAKEN: Afterwards(
        "rejected", "Two orders with one reference came at the same moment; read the other one by its reference."
    ),
    FailureCode.PARCEL_LOST: Afterwards("cancelled", "The money is given back. Place a new order if it is wanted."),
    FailureCode.FRAUD_SUSPECTED: Afterwards("rejected", "The risk rules refuse it; ask whoever owns the policy."),
    FailureCode.CANCELLED: Afterwards("cancelled", "Nothing; the timeline says who cancelled it."),
}


def current() -> str:
    """The page as it is to be."""
    answered = _answered_codes()
    others = [code for code in PROBLEM_TYPES if code not in answered]
    parts = (_overview(answered), *map(_explained, answered), _inside(others), _failures())
    return renewed(PAGE, "\n\n".join(parts), module=MODULE)


def _answered_codes() -> list[str]:
    """The codes a request may be answered with, in the order of their status."""
    document = golden()
    declared = {
        code
        for methods in document["paths"].values()
        for operation in methods.values()
        for answer in operation["responses"].values()
        for code in resolved(document, answer).get("x-problem-codes", ())
    }
    known = [code for code in PROBLEM_TYPES if code in declared or code == _OF_NO_OPERATION]
    return sorted(known, key=lambda code: PROBLEM_TYPES[code].status)


def _overview(codes: Collection[str]) -> str:
    return "\n".join(
        [
            "## Codes of answers",
            "",
            "| code | status | title | the same request again? |",
            "|---|---|---|---|",
            *(_overview_row(code) for code in codes),
        ]
    )


def _overview_row(code: str) -> str:
    kind = PROBLEM_TYPES[code]
    return f"| [`{code}`](#{code}) | {kind.status} | {cell(kind.title)} | {AGAIN.get(kind.status, 'no')} |"


def _explained(code: str) -> str:
    explanation = EXPLANATIONS[code]
    return "\n".join([f"### `{code}`", "", _prose(explanation.meaning), "", _prose(f"To do: {explanation.remedy}")])


def _prose(text: str) -> str:
    return fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _inside(codes: Collection[str]) -> str:
    return "\n".join(
        [
            "## Codes that answer no request",
            "",
            "Steps in the background end with them. They stand in logs, metrics and Temporal, and have a page each.",
            "",
            "| code | means | what to do |",
            "|---|---|---|",
            *(
                f"| `{code}` | {cell(EXPLANATIONS[code].meaning)} | {cell(EXPLANATIONS[code].remedy)} |"
                for code in codes
            ),
        ]
    )


def _failures() -> str:
    return "\n".join(
        [
            "## Why an order failed: `failure.code`",
            "",
            "| code | `failure.message` | ends as | what to do |",
            "|---|---|---|---|",
            *_failure_rows(),
        ]
    )


def _failure_rows() -> Iterator[str]:
    for code in FailureCode:
        after = AFTERWARDS[code]
        yield f"| `{code}` | {cell(FAILURE_MESSAGES[code])} | `{after.ends_as}` | {cell(after.advice)} |"


if __name__ == "__main__":
    PAGE.write_text(current())
