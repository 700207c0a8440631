"""
What each problem code means and what to do about it: the pages that `type` links to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from fulfillment.api.problems import PROBLEM_TYPES


@dataclass(frozen=True, slots=True)
class Explanation:
    """Two short paragraphs: what happened, and what to do."""

    meaning: str
    remedy: str


EXPLANATIONS: Mapping[str, Explanation] = {
    "malformed_request": Explanation(
        "What arrived is not a request of HTTP/1.1: where it ends cannot be told, it names no host or two, or "
        "it uses a method that does not exist.",
        "Check the client or the proxy in between; a TLS client may be talking to a plain port.",
    ),
    "malformed_body": Explanation(
        "The body is empty, is not JSON, or is not UTF-8. NaN and Infinity are not JSON either; a field that is there "
        "twice, a text that is not Unicode and nesting deeper than 20 levels are refused as well.",
        "`detail` says which. Send one JSON object, encoded as UTF-8. Nothing was stored; the same Idempotency-Key may "
        "be used again.",
    ),
    "idempotency_key_missing": Explanation(
        "This request does something that must not happen twice, and has no key to recognise a repetition by.",
        "Send an Idempotency-Key header with a new random value (a UUID, say) for every new intention, "
        "and the same value when you repeat a request.",
    ),
    "unauthorized": Explanation(
        "The request has no credentials, or ones that are wrong, expired or revoked; or a signature does not fit.",
        "Send a valid API key or JWT as `Authorization: Bearer ...`. For signed events check secret, clock and body.",
    ),
    "forbidden": Explanation(
        "The credentials are good, but do not allow this.",
        "Use credentials with the scope that is needed, or ask an administrator for it.",
    ),
    "not_an_approver": Explanation(
        "The levels of the approval that are open wait for roles the caller neither has nor was lent.",
        "Read the approval: `waiting_for` names the roles. Somebody who has one decides, delegates it to you, or an "
        "operator reassigns the level.",
    ),
    "one_level_per_person": Explanation(
        "The caller, or the person they decide for, has voted at another level of the same approval. Each level is "
        "decided by somebody else.",
        "Leave this level to others. A vote at a level that is still open can be withdrawn.",
    ),
    "own_order": Explanation(
        "The order was placed for the caller, placed or amended by them, or by the person they decide for. Nobody "
        "approves what they asked for themselves.",
        "Leave the decision to somebody else; `waiting_for` names the roles.",
    ),
    "not_found": Explanation(
        "There is nothing at this address, or nothing that these credentials may see.",
        "Check the address and the id. An accepted order is never reported as missing.",
    ),
    "method_not_allowed": Explanation(
        "The address exists, but not for this method. HEAD is not offered, nor is OPTIONS: no page of another origin "
        "may call this service from a browser.",
        "The Allow header lists the methods that are.",
    ),
    "action_not_available": Explanation(
        "The order does not ask for this answer: it was answered meanwhile, or asks something else.",
        "Read the order again: `actions` lists what can be done now, with the address of each.",
    ),
    "already_voted": Explanation(
        "The caller has a vote at this level, or the person they decide for has. Each person has one.",
        "If it should be another one, withdraw it first (`POST /v1/approvals/{id}/withdraw`); that is possible while "
        "its level is open. To repeat a request, send it with its own Idempotency-Key.",
    ),
    "approval_closed": Explanation(
        "The approval has ended, or this level of it is decided: somebody was faster, its time is over, or the order "
        "was cancelled or changed. The decision does not count.",
        "Read the approval again. An order that was changed may have a new one: `approval` of the order names it.",
    ),
    "below_reserved": Explanation(
        "The new figure would be smaller than the number of pieces that open orders hold.",
        "Read the article again and choose a figure that is at least `reserved`, or cancel orders first.",
    ),
    "nothing_to_withdraw": Explanation(
        "The caller has no vote at a level that is still open: they gave none, withdrew it already, or the level is "
        "decided.",
        "Read the approval again: `votes` lists what counts. What is decided stays decided; the order can be "
        "cancelled.",
    ),
    "order_is_running": Explanation(
        "The workflow of the order is running, so it needs nobody to take it over. Nothing was done.",
        "Read the order again. If it needs attention, choose one of its `actions`; if nothing happens although it "
        "should, look at the workers. Only an order whose workflow is gone can be recovered.",
    ),
    "order_not_amendable": Explanation(
        "Lines can be replaced until the order is paid, the address until the parcel is being booked; an order that "
        "is being cancelled cannot be changed at all. Nothing was changed.",
        "Read the order again. If it must not go out like this, cancel it while its status allows that.",
    ),
    "order_not_cancellable": Explanation(
        "The parcel has left, the order has ended, or it waits for an operator's answer to another question.",
        "Read the order again. If it needs attention, an operator chooses one of its `actions`; what has left can "
        "only come back.",
    ),
    "too_many_changes": Explanation(
        "An order takes at most 20 cards and 100 changes (amendments, addresses, repeated cancellations), an approval "
        "100 decisions, withdrawals and reassignments. Nothing was changed.",
        "A client that repeats itself should send the same Idempotency-Key. Otherwise cancel the order, which stays "
        "possible, and place a new one.",
    ),
    "payment_not_awaited": Explanation(
        "The order does not wait for a payment: it has one, needs none, or is not going to be delivered.",
        "Read the order again; only one that is `awaiting_payment` takes a card. Nothing was charged.",
    ),
    "reference_taken": Explanation(
        "The customer already has an order with this reference. References are unique per customer; "
        "those of rejected orders may be used again.",
        "If this is the same order, repeat the original request with its original Idempotency-Key. "
        "Otherwise choose another reference.",
    ),
    "stock_short": Explanation(
        "There are fewer pieces free of an article than the change needs. Nothing was changed.",
        "Read the article (`GET /v1/inventory/{sku}`) and ask for at most what is `available`, or try again once "
        "there is more. What the order holds already counts as available to it.",
    ),
    "unknown_sku": Explanation(
        "A line names an article that does not exist. Nothing was changed.",
        "Check the SKUs of the lines; `GET /v1/inventory` lists all articles.",
    ),
    "request_timeout": Explanation(
        "The request was not complete in time: its headers within 10 seconds, its body within 15, unless the operator "
        "chose other limits. Nothing was stored; the connection is closed.",
        "Repeat the request with the same Idempotency-Key. If it happens again, look at the network in between.",
    ),
    "precondition_failed": Explanation(
        "The version in If-Match is not the current one: somebody else was faster.",
        "Read it again, decide whether your change is still right, and send it with the new ETag.",
    ),
    "body_too_large": Explanation(
        "The body has more than 32 KiB (events of payment providers: 256 KiB).",
        "Send less: fewer lines, shorter texts, less metadata.",
    ),
    "uri_too_long": Explanation(
        "Path and query have more than 8 KiB.",
        "Use identifiers and cursors exactly as they were given to you.",
    ),
    "unsupported_media_type": Explanation(
        "The body is not declared as JSON, or is compressed.",
        "Send the header `Content-Type: application/json` and no Content-Encoding.",
    ),
    "cannot_tell": Explanation(
        "A provider was asked so long ago that nobody can look up any more whether it acted.",
        "An operator finds out at the provider and chooses the action that says what happened.",
    ),
    "carrier_unavailable": Explanation(
        "The carrier could not be reached for so long that the step was given up.",
        "Read the order: it has been undone, or waits for an operator.",
    ),
    "carrier_refused": Explanation(
        "The carrier does not deliver to this address.",
        "Place a new order with another address.",
    ),
    "currency_mismatch": Explanation(
        "Amounts of two currencies were to be added up.",
        "Use one currency per order.",
    ),
    "idempotency_key_reused": Explanation(
        "This Idempotency-Key came with another body before. The first request stands; this one did nothing.",
        "Use a new key for a new intention. To repeat a request, send exactly the same body again.",
    ),
    "insufficient_funds": Explanation(
        "The card has not enough money left.",
        "Ask the customer for another card.",
    ),
    "invalid_request": Explanation(
        "The request can be read, but a field, parameter or header is not as it must be.",
        "`errors` names each field and what would be right. Nothing was stored; the same Idempotency-Key may be used.",
    ),
    "level_needed": Explanation(
        "A decision named no level although several wait for its sender, or one that the approval does not have.",
        "Read the approval and name one of its open `levels`. Over HTTP this is `invalid_request`, for the field "
        "`level`.",
    ),
    "payment_declined": Explanation(
        "The bank of the card said no.",
        "Ask the customer for another card.",
    ),
    "payment_unavailable": Explanation(
        "The payment provider could not be reached for so long that the step was given up.",
        "Read the order: it has been undone, or waits for an operator. Nothing is charged twice.",
    ),
    "undo_refused": Explanation(
        "A provider refused to take back what it did.",
        "An operator settles it with the provider and chooses an action of the order.",
    ),
    "precondition_required": Explanation(
        "This change overwrites something, and the request does not say which version it is based on.",
        "Read it, and send the ETag you got as If-Match.",
    ),
    "rate_limited": Explanation(
        "These credentials have asked more often than they may. The RateLimit headers of every answer say how often "
        "that is and what is left.",
        "Wait as many seconds as Retry-After says, then repeat the request with the same Idempotency-Key.",
    ),
    "headers_too_large": Explanation(
        "There are more than 100 headers, or they have more than 32 KiB in all.",
        "Send fewer; a proxy in between may be adding some, or a browser its cookies.",
    ),
    "internal": Explanation(
        "A mistake of ours. It has been logged under the request_id.",
        "Repeat the request with the same Idempotency-Key. If it fails again, tell us the request_id.",
    ),
    "outcome_unknown": Explanation(
        "A provider was asked and has not answered; whether it acted is being found out.",
        "Wait as many seconds as Retry-After says, then read the order again. Nothing is charged twice.",
    ),
    "provider_unavailable": Explanation(
        "A payment provider or carrier cannot be reached.",
        "Wait as many seconds as Retry-After says, then repeat the request with the same Idempotency-Key.",
    ),
    "unavailable": Explanation(
        "A part of the service (database or workflow engine) cannot be reached or is overloaded.",
        "Wait as many seconds as Retry-After says, then repeat the same request with the same Idempotency-Key: "
        "if the first one was accepted after all, you get its answer.",
    ),
}

PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""The Content-Security-Policy of a page: its own style sheet is all it needs, and nothing on it is a caller's."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}</style>
</head>
<body>
<h1>{title}</h1>
<p><code>{code}</code>, HTTP status {status}</p>
<h2>What it means</h2>
<p>{meaning}</p>
<h2>What to do</h2>
<p>{remedy}</p>
</body>
</html>
"""


def problem_page(code: str) -> str | None:
    """The page of a code, as HTML; None when there is no such code."""
    explanation = EXPLANATIONS.get(code)
    if explanation is None:
        return None
    return _PAGE.format(
        code=code,
        status=PROBLEM_TYPES[code].status,
        title=escape(PROBLEM_TYPES[code].title),
        meaning=escape(explanation.meaning),
        remedy=escape(explanation.remedy),
    )
