"""
What the values of enumerations mean, for readers of the document.
"""

from collections.abc import Mapping

from fulfillment.domain.orders import FAILURE_MESSAGES

_STATUSES = """
received: accepted for good, not placed yet
awaiting_approval: people decide; the stock is held
awaiting_payment: no card was given, another may be tried, or the customer must act
processing: the money is being taken and the parcel booked
awaiting_shipment: paid and booked; the carrier has yet to pick the parcel up
shipped: picked up; it cannot be cancelled any more
cancelling: what happened is being undone
needs_attention: an operator must choose one of `actions`
delivered: the end: the parcel has arrived
cancelled: the end: nothing was delivered, nothing was taken or all of it was given back
rejected: the end: it could not be placed or paid; `failure` says why
returned: the end: the parcel came back and the money was given back
"""
_PAYMENTS = """
none: nothing has been set aside
authorized: set aside at the customer's bank
captured: taken
voided: set aside, and released again
refunded: taken, and given back
failed: the card was refused
"""
_REASONS = """
undo_failed: something could not be undone
outcome_unknown: nobody knows whether a provider has acted
capture_overdue: the money could not be taken in time
shipped_unpaid: the parcel left before the money was taken
hand_over_overdue: the carrier has not picked the parcel up in time
delivery_overdue: the parcel has not arrived in time
lost: the carrier has lost the parcel
returned: the parcel comes back
provider_dispute: the money is disputed, does not arrive, or is not set aside any more
late_event: the carrier told of the parcel after the order had ended
"""
_ACTIONS = """
retry: do it again
skip: give this undo up and do the rest; of a parcel: it does not leave
resolved_by_hand: count it as done, outside of this service; of a parcel: it does not leave
carrier_has_it: the carrier has the parcel; go on as shipped
retry_lookup: ask the provider again what became of it
it_happened: the provider did it
it_did_not: the provider did not; do it again
cancel: cancel the order
keep_waiting: wait as long again
found: the parcel turned up; wait as long again
refund: give the money back and end the order
reship: send another parcel without another charge
"""
_PARCELS = """
parcel.picked_up: the carrier has it
parcel.in_transit: it is on its way
parcel.delivered: it has arrived
parcel.lost: it is lost
parcel.returned: it came back
"""
_PAYMENT_NEWS = """
payment.authorized: the customer did what was asked; the money is set aside
payment.failed: the customer could not do it, or the issuer says no all the same
payment.capture_failed: money that was taken is not going to arrive
payment.authorization_expired: the money is not set aside any more
payment.disputed: the customer asks their bank for the money back
"""
_APPROVALS = """
pending: people are being asked
approved: everybody who was needed said yes
rejected: somebody said no
expired: nobody decided in time
void: nobody needs it any more; the order was cancelled, or changed and asks anew
"""
_VOTES = """
approve: yes
reject: no; ends the approval at once
abstain: neither; counts for nothing, but is on record
"""
_SHIPMENTS = """
booked: a label is made, the carrier has yet to pick it up
in_transit: it is on its way
delivered: it has arrived
lost: it is lost
returned: it came back
cancelled: it does not leave
"""
_MOVEMENTS = """
held: an order holds pieces
released: an order has given its pieces back
left: pieces left the warehouse with a parcel
adjusted: somebody counted, added or took away
"""


def _read(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.strip().splitlines())


MEANINGS: Mapping[str, Mapping[str, str]] = {
    "OrderStatus": _read(_STATUSES),
    "PaymentStatus": _read(_PAYMENTS),
    "FailureCode": {code.value: message for code, message in FAILURE_MESSAGES.items()},
    "AttentionReason": _read(_REASONS),
    "Action": _read(_ACTIONS),
    "ParcelEvent": _read(_PARCELS),
    "PaymentEvent": _read(_PAYMENT_NEWS),
    "ApprovalStatus": _read(_APPROVALS),
    "Vote": _read(_VOTES),
    "ShipmentStatus": _read(_SHIPMENTS),
    "MovementKind": _read(_MOVEMENTS),
}
"""By enumeration and value."""

_INTRODUCTIONS = {
    "OrderStatus": "Where an order stands.",
    "PaymentStatus": "What has become of the money.",
    "FailureCode": "Why an order ended without a delivery.",
    "AttentionReason": "Why an operator is asked.",
    "Action": "An answer of an operator.",
    "ParcelEvent": "What happened to a parcel.",
    "PaymentEvent": "What happened to a payment.",
    "ApprovalStatus": "Where an approval stands.",
    "Vote": "What one person says.",
    "ShipmentStatus": "Where a parcel is.",
    "MovementKind": "Why the figures of an article changed.",
}


def described(enumeration: str) -> str:
    """The description of an enumeration: a line for each value."""
    values = "\n".join(f"- `{value}`: {meaning}" for value, meaning in MEANINGS[enumeration].items())
    return f"{_INTRODUCTIONS[enumeration]}\n\n{values}"
