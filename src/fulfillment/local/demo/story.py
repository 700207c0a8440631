"""
What is special about an order of the file, in words.
"""

from collections.abc import Iterator

from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from fulfillment.local.demo.decisions import Decision
from fulfillment.local.demo.orders_file import FileOrder
from fulfillment.local.demo.scenarios import (
    ASKS_CUSTOMER,
    DEFAULT_TOKEN,
    TOO_LATE,
    Customer,
    Journey,
    ProviderNews,
    Scenario,
)

_CARD_WORDS = {
    "tok_declined": "card declined",
    "tok_insufficient_funds": "card without funds",
    ASKS_CUSTOMER: "the bank asks the customer",
    "tok_lost_answer": "the bank's answers are lost",
    "tok_late": "the bank hangs up and acts later",
    "tok_flaky": "the bank is away for a moment",
    "tok_slow": "the bank is slow",
    "tok_down": "the bank stays away",
    "tok_capture_declined": "the bank declines the capture",
    "tok_undo_fails": "the bank gives nothing back",
}
"""What the sandbox does with a test card."""
_POSTAL_CODE_WORDS = {
    "TEST-REFUSED": "the carrier does not go there",
    "TEST-LOST-ANSWER": "the carrier's answer is lost",
    "TEST-FLAKY": "the carrier is away for a moment",
    "TEST-DOWN": "the carrier stays away",
    "TEST-CANCEL-FAILS": "the carrier cancels nothing",
    TOO_LATE: "the carrier was faster",
    "TEST-LOST": "the parcel is lost",
}
"""What the sandbox's carrier does with a parcel to such an address."""
_CARRIER_WORDS = {
    Journey.NONE: "no word from the carrier",
    Journey.LOST: "the parcel is lost",
    Journey.RETURN: "the parcel comes back",
}
_OUR_WORDS: dict[FailureCode | AttentionReason | None, str] = {
    FailureCode.UNKNOWN_SKU: "an article nobody knows",
    FailureCode.STOCK_SHORT: "an article that is sold out",
    FailureCode.PAYMENT_EXPIRED: "never pays",
    FailureCode.FRAUD_SUSPECTED: "a destination nobody sends to",
}
_DECISION_WORDS = {
    Decision.APPROVE: "says yes",
    Decision.REJECT: "says no",
    Decision.ABSTAIN: "abstains",
    Decision.WITHDRAW: "takes it back",
}
_CUSTOMER_WORDS = {
    Customer.REFUSES: "the customer refuses",
    Customer.IGNORES: "the customer does nothing",
}
_PROVIDER_WORDS = {
    ProviderNews.DISPUTES: "disputed",
    ProviderNews.CAPTURE_FAILS: "the capture fails",
    ProviderNews.AUTHORIZATION_EXPIRES: "the authorisation expires",
}


def story(order: FileOrder) -> str:
    """Cards, parcels and people that did not do the usual; a parcel that simply arrives is told as such."""
    free = [] if order.total.amount else ["nothing to pay"]
    postal_code = order.body["shipping_address"].get("postal_code")
    address = [_POSTAL_CODE_WORDS[postal_code]] if postal_code in _POSTAL_CODE_WORDS else []
    told = [*free, *address, *_summary(order.scenario)]
    if not told and order.scenario.expected.status is OrderStatus.DELIVERED:
        return "straight to the door"
    return ", ".join(told)


def _summary(scenario: Scenario) -> Iterator[str]:
    """What an operator does is told with what is asked."""
    if scenario.expected.code in _OUR_WORDS:
        yield _OUR_WORDS[scenario.expected.code]
    yield from _decided(scenario)
    if scenario.meets_outage:
        yield "the bank is away for the capture"
    if scenario.token and scenario.token != DEFAULT_TOKEN:
        yield _CARD_WORDS.get(scenario.token, scenario.token)
    if scenario.customer in _CUSTOMER_WORDS:
        yield _CUSTOMER_WORDS[scenario.customer]
    if scenario.pay_later:
        yield "pays later" if len(scenario.pay_later) == 1 else f"pays later, with card {len(scenario.pay_later)}"
    if scenario.cancel_at:
        yield f"cancelled while {scenario.cancel_at.replace('_', ' ')}"
    if scenario.carrier in _CARRIER_WORDS:
        yield _CARRIER_WORDS[scenario.carrier]
    if scenario.moves_late:
        yield "leaves all the same"
    if scenario.provider:
        yield f"{_PROVIDER_WORDS[scenario.provider]} once {scenario.provider_at.replace('_', ' ')}"


def _decided(scenario: Scenario) -> Iterator[str]:
    """What people say, where that is told; else they say yes."""
    if scenario.decisions == ():
        yield "nobody decides"
    for who, what in scenario.decisions or ():
        yield f"{who} {_DECISION_WORDS[what]}"
