"""
What an answer leads to, for tools that follow links: which part of it is a parameter of which operation.
"""

from collections.abc import Mapping
from typing import Any

_ORDER = {"order_id": "$response.body#/id"}
_SKU = {"sku": "$response.body#/sku"}
_LISTED_ORDER = {"order_id": "$response.body#/items/0/id"}
_APPROVAL = {"approval_id": "$response.body#/id"}
_LISTED_APPROVAL = {"approval_id": "$response.body#/items/0/id"}
_LISTED_SKU = {"sku": "$response.body#/items/0/sku"}

_TO: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "ReadOrder": ("getOrder", _ORDER, "The order as it is now."),
    "ReadTimeline": ("listOrderEvents", _ORDER, "What happened to the order."),
    "ReadOperations": ("listOrderOperations", _ORDER, "What providers were asked to do for the order."),
    "Cancel": ("cancelOrder", _ORDER, "Give the order up."),
    "Pay": ("payOrder", _ORDER, "Give the order a card, when it waits for one."),
    "ReplaceLines": ("putOrderLines", _ORDER, "Other lines, while the order is not paid."),
    "ReplaceAddress": ("putOrderAddress", _ORDER, "Another address, until the parcel is being booked."),
    "ReadListedOrder": ("getOrder", _LISTED_ORDER, "The first order of the page."),
    "AnswerListed": (
        "actOnOrder",
        {"order_id": "$response.body#/items/0/order_id", "name": "$response.body#/items/0/actions/0/name"},
        "The first answer to the first question of the page.",
    ),
    "ReadListedApproval": ("getApproval", _LISTED_APPROVAL, "The first approval of the page."),
    "Decide": ("decideApproval", _APPROVAL, "Say yes or no."),
    "Withdraw": ("withdrawDecision", _APPROVAL, "Take the own vote back."),
    "Reassign": ("reassignApproval", _APPROVAL, "Let another role decide."),
    "ReadArticle": ("getArticle", _SKU, "The article as it is now."),
    "Adjust": ("adjustArticle", _SKU, "Pieces more or less."),
    "ReadMovements": ("listMovements", _SKU, "How the figures of the article came about."),
    "ReadListedArticle": ("getArticle", _LISTED_SKU, "The first article of the page."),
}

LINKS: Mapping[str, Mapping[str, Any]] = {
    name: {"operationId": operation, "parameters": dict(parameters), "description": description}
    for name, (operation, parameters, description) in _TO.items()
}
"""All of them, as components of the document."""

_PLACED = ("ReadOrder", "ReadTimeline", "ReadOperations", "Cancel", "Pay", "ReplaceLines", "ReplaceAddress")
_CHANGED = ("ReadOrder", "ReadTimeline")
_ARTICLE = ("ReadArticle", "Adjust", "ReadMovements")

_FROM: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("placeOrder", "202"): _PLACED,
    ("placeOrder", "200"): _PLACED,
    ("getOrder", "200"): _PLACED[1:],
    ("cancelOrder", "202"): _CHANGED,
    ("payOrder", "202"): _CHANGED,
    ("putOrderLines", "200"): _CHANGED,
    ("putOrderAddress", "200"): _CHANGED,
    ("listOrders", "200"): ("ReadListedOrder",),
    ("listAttention", "200"): ("AnswerListed",),
    ("listApprovals", "200"): ("ReadListedApproval",),
    ("getApproval", "200"): ("Decide", "Withdraw", "Reassign"),
    ("putArticle", "201"): _ARTICLE,
    ("putArticle", "200"): _ARTICLE,
    ("getArticle", "200"): _ARTICLE[1:],
    ("adjustArticle", "201"): ("ReadArticle", "ReadMovements"),
    ("listArticles", "200"): ("ReadListedArticle",),
}


def links_of(operation_id: str, status: str) -> dict[str, Any]:
    """The `links` of an answer."""
    return {name: {"$ref": f"#/components/links/{name}"} for name in _FROM.get((operation_id, status), ())}
