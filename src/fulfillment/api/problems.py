"""
Every answer that is not a success, as `application/problem+json` (RFC 9457).

A code never changes its status or title; what it means and what to do about it is in `problem_pages.py`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from starlette.responses import Response

from fulfillment.domain.errors import FulfillmentError, TransientError

MEDIA_TYPE = "application/problem+json"

_LONGEST_INSTANCE = 500
_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class ProblemType:
    """The HTTP status of a code and its title."""

    status: int
    title: str


PROBLEM_TYPES: Mapping[str, ProblemType] = {
    "malformed_request": ProblemType(400, "This is not HTTP"),
    "malformed_body": ProblemType(400, "The body cannot be read"),
    "idempotency_key_missing": ProblemType(400, "The Idempotency-Key header is missing"),
    "unauthorized": ProblemType(401, "Credentials are missing or wrong"),
    "forbidden": ProblemType(403, "The credentials do not allow this"),
    "not_an_approver": ProblemType(403, "The approval waits for others"),
    "one_level_per_person": ProblemType(403, "Every level takes somebody else"),
    "own_order": ProblemType(403, "Nobody decides on their own order"),
    "not_found": ProblemType(404, "There is nothing here"),
    "method_not_allowed": ProblemType(405, "The method is not allowed here"),
    "action_not_available": ProblemType(409, "The order does not offer this action"),
    "already_voted": ProblemType(409, "There is a vote already"),
    "approval_closed": ProblemType(409, "The approval is closed"),
    "below_reserved": ProblemType(409, "Open orders hold more pieces"),
    "nothing_to_withdraw": ProblemType(409, "There is no vote to withdraw"),
    "order_is_running": ProblemType(409, "The order is being looked after"),
    "order_not_amendable": ProblemType(409, "It is too late for this change"),
    "order_not_cancellable": ProblemType(409, "The order cannot be cancelled"),
    "payment_not_awaited": ProblemType(409, "The order does not wait for a payment"),
    "reference_taken": ProblemType(409, "The reference is taken"),
    "stock_short": ProblemType(409, "There is not enough stock"),
    "too_many_changes": ProblemType(409, "The order was changed too often"),
    "unknown_sku": ProblemType(409, "There is no such article"),
    "request_timeout": ProblemType(408, "The request came too slowly"),
    "precondition_failed": ProblemType(412, "It was changed meanwhile"),
    "body_too_large": ProblemType(413, "The body is too large"),
    "uri_too_long": ProblemType(414, "The address is too long"),
    "unsupported_media_type": ProblemType(415, "The body is not JSON"),
    "cannot_tell": ProblemType(422, "An outcome cannot be looked up any more"),
    "carrier_refused": ProblemType(422, "The carrier refused the parcel"),
    "carrier_unavailable": ProblemType(422, "The carrier stayed away for too long"),
    "currency_mismatch": ProblemType(422, "Two currencies were mixed"),
    "idempotency_key_reused": ProblemType(422, "The Idempotency-Key was used for something else"),
    "insufficient_funds": ProblemType(422, "The card has insufficient funds"),
    "invalid_request": ProblemType(422, "The request is not valid"),
    "level_needed": ProblemType(422, "Several levels could be meant"),
    "payment_declined": ProblemType(422, "The card was declined"),
    "payment_unavailable": ProblemType(422, "The payment provider stayed away for too long"),
    "undo_refused": ProblemType(422, "A provider refused to take something back"),
    "precondition_required": ProblemType(428, "A condition is required"),
    "rate_limited": ProblemType(429, "Too many requests"),
    "headers_too_large": ProblemType(431, "The headers are too large"),
    "internal": ProblemType(500, "Something went wrong on our side"),
    "outcome_unknown": ProblemType(503, "A provider has not answered"),
    "provider_unavailable": ProblemType(503, "A provider cannot be reached"),
    "unavailable": ProblemType(503, "The service cannot answer now"),
}
"""Status and title by code: all codes of the domain, and those of HTTP itself."""

RETRY_SECONDS = 2


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field, and what would be right; never the value that was sent."""

    field: str
    message: str


class Problem(Exception):
    """
    A request is refused, by the code of a `ProblemType`.

    `detail` is for the person who reads it; `errors` name fields; `headers` go with the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    @classmethod
    def field(cls, field: str, message: str) -> Self:
        """A single field (or parameter, or header) is wrong."""
        return cls("invalid_request", f"{field}: {message}", errors=[FieldError(field, message)])

    @classmethod
    def of(cls, error: FulfillmentError) -> Self:
        """What an error with a code says to a caller."""
        if not isinstance(error, TransientError):
            return cls(error.code, str(error))
        wait = math.ceil(error.retry_after.total_seconds()) if error.retry_after else RETRY_SECONDS
        return cls(error.code, str(error), headers={"Retry-After": str(max(1, wait))})

    @classmethod
    def unavailable(cls, part: str) -> Self:
        """A part of the service is away for a moment."""
        detail = f"the {part} cannot be reached; repeat the same request"
        return cls("unavailable", detail, headers={"Retry-After": str(RETRY_SECONDS)})

    @classmethod
    def internal(cls) -> Self:
        """A bug; its details are in the log, under the request id."""
        return cls("internal", "this is our fault and has been logged; name the request_id when you ask about it")


def printable(name: str) -> str:
    """A name that a caller chose, in ASCII and not too long."""
    return name.encode("ascii", "backslashreplace").decode()[:_LONGEST_NAME]


def problem_response(problem: Problem, *, public_url: str, instance: str, request_id: str) -> Response:
    """The answer to a request that is refused."""
    kind = PROBLEM_TYPES[problem.code]
    body: dict[str, object] = {
        "type": f"{public_url.rstrip('/')}/problems/{problem.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail,
        "instance": instance[:_LONGEST_INSTANCE],
        "code": problem.code,
        "request_id": request_id,
    }
    if problem.errors:
        body["errors"] = [{"field": error.field, "message": error.message} for error in problem.errors]
    return Response(json.dumps(body), kind.status, problem.headers, media_type=MEDIA_TYPE)
