"""
docs/errors.md says what the problem pages say, and what it says about repeating agrees with the domain.
"""

from collections.abc import Iterator

from fulfillment.api.problems import PROBLEM_TYPES
from fulfillment.domain.errors import DomainError, FulfillmentError, TransientError
from fulfillment.domain.orders import FailureCode, OrderStatus
from tests.docs.errors import AFTERWARDS, AGAIN, PAGE, RENEW, current

SECONDS_LATER = {status for status, words in AGAIN.items() if "yes" in words}


def kinds_of(error: type[FulfillmentError]) -> Iterator[type[FulfillmentError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from kinds_of(kind)


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == current(), RENEW


def test_every_problem_code_is_on_the_page() -> None:
    page = PAGE.read_text()

    assert [code for code in PROBLEM_TYPES if f"`{code}`" not in page] == []


def test_what_is_worth_another_try_is_what_the_domain_calls_transient() -> None:
    transient = {PROBLEM_TYPES[kind.code].status for kind in kinds_of(TransientError)}
    final = {PROBLEM_TYPES[kind.code].status for kind in kinds_of(DomainError)}

    assert transient <= SECONDS_LATER
    assert not final & SECONDS_LATER


def test_every_failure_says_where_the_order_ends() -> None:
    assert AFTERWARDS.keys() == set(FailureCode)
    assert {after.ends_as for after in AFTERWARDS.values()} <= {
        status.value for status in OrderStatus if status.is_final
    }
