"""
From a request to its answer, through the faults that are in force.
"""

import asyncio
from collections.abc import Callable

from starlette.responses import Response

from fulfillment.sandbox.answers import Answer, Answers
from fulfillment.sandbox.faults import PLAIN, Fault, Faults, Operation, Scenario
from fulfillment.sandbox.no_answer import NoAnswer

LOST_ANSWER_SECONDS = 60.0

STATUS = {
    "card_declined": 402,
    "insufficient_funds": 402,
    "capture_declined": 402,
    "void_declined": 402,
    "refund_declined": 402,
    "not_found": 404,
    "key_reused": 409,
    "not_capturable": 409,
    "nothing_to_agree_to": 409,
    "already_captured": 409,
    "exceeds_authorized": 409,
    "exceeds_captured": 409,
    "currency_mismatch": 409,
    "already_picked_up": 409,
    "cancel_refused": 409,
    "address_refused": 422,
}


def json_response(body: str, status: int = 200) -> Response:
    """
    An answer whose JSON is already written.
    """
    return Response(body, status, media_type="application/json")


def unavailable() -> Response:
    """
    Come again in a second.
    """
    body = '{"code": "unavailable", "message": "temporarily unavailable; try again"}'
    return Response(body, 503, {"Retry-After": "1"}, "application/json")


class Exchange:
    """
    Applies the faults of `/control` to every request, and those of its scenario to a request with a new key.
    """

    def __init__(self, answers: Answers, faults: Faults, stopping: asyncio.Event) -> None:
        self._answers = answers
        self._faults = faults
        self._stopping = stopping

    async def change(
        self, operation: Operation, key: str, act: Callable[[], Answer | None], scenario: Scenario = PLAIN
    ) -> Response:
        """
        Do something under a key; if `act` has no answer yet, the connection is closed.

        Raises:
            Refused: what `act` raises.
        """
        fault = await self._fault(operation)
        if scenario.delay and not self._answers.has(key):
            await asyncio.sleep(scenario.delay.total_seconds())
        # Asked after all waiting: of several requests at once only one is the first.
        new = not self._answers.has(key)
        if fault.unavailable or (new and self._fails(key, scenario)):
            return unavailable()
        answer = act()
        if answer is None:
            return NoAnswer(self._stopping, 0)
        if fault.lose_answer or (new and scenario.lose_first_answer):
            return NoAnswer(self._stopping, LOST_ANSWER_SECONDS)
        return json_response(answer.body, STATUS[answer.code] if answer.code else 201)

    async def look_up(self, find: Callable[[], Response]) -> Response:
        """
        Answer a question about a key.

        Raises:
            Refused: what `find` raises.
        """
        fault = await self._fault("lookup")
        return unavailable() if fault.unavailable else find()

    async def _fault(self, operation: Operation) -> Fault:
        fault = self._faults.draw(operation)
        if fault.latency:
            await asyncio.sleep(fault.latency)
        return fault

    def _fails(self, key: str, scenario: Scenario) -> bool:
        if scenario.failures:
            return self._answers.fails_again(key, scenario.failures)
        return scenario.down
