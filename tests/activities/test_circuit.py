"""
The circuit of a provider, by itself: when it opens, whom it admits, when it closes.
"""

from datetime import timedelta

import pytest

from fulfillment.activities.circuit import Circuit

FAILURES, PAUSE = 3, timedelta(seconds=5)
FAIL, ANSWER, ADMITTED, HELD = "fail", "answer", "admitted", "held"

STORIES: dict[str, list[str | float]] = {
    "closed at first": [ADMITTED, ADMITTED],
    "failures below the limit": [FAIL, FAIL, ADMITTED, ADMITTED],
    "failures in a row": [FAIL, FAIL, FAIL, HELD, HELD],
    "an answer in between": [FAIL, FAIL, ANSWER, FAIL, FAIL, ADMITTED],
    "one attempt per pause": [FAIL, FAIL, FAIL, 4.9, HELD, 0.2, ADMITTED, HELD, 4.9, HELD, 0.2, ADMITTED, HELD],
    "the attempt fails": [FAIL, FAIL, FAIL, 5.0, ADMITTED, FAIL, HELD, 5.0, ADMITTED],
    "the attempt is answered": [FAIL, FAIL, FAIL, 5.0, ADMITTED, ANSWER, ADMITTED, ADMITTED],
    "nobody comes for long": [FAIL, FAIL, FAIL, 500.0, ADMITTED, HELD],
    "failures of attempts begun before do not put it off": [FAIL, FAIL, FAIL, 4.0, FAIL, FAIL, 1.1, ADMITTED],
    "counted anew after it was closed": [FAIL, FAIL, FAIL, ANSWER, FAIL, FAIL, ADMITTED, FAIL, HELD],
}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("name", STORIES)
def test_a_provider_that_keeps_failing_is_asked_once_per_pause_until_it_answers(name: str) -> None:
    clock = Clock()
    circuit = Circuit(failures=FAILURES, pause=PAUSE, changed=lambda *, is_open: None, clock=clock)
    for happens in STORIES[name]:
        match happens:
            case float():
                clock.now += happens
            case "fail":
                circuit.failed()
            case "answer":
                circuit.answered()
            case _:
                assert circuit.holds_back is (happens == HELD)
                assert circuit.admits() is (happens == ADMITTED)


def test_it_is_told_once_that_a_circuit_opens_and_once_that_it_closes() -> None:
    told: list[bool] = []
    circuit = Circuit(failures=2, pause=PAUSE, changed=lambda *, is_open: told.append(is_open))
    for _ in range(2):
        for _ in range(4):
            circuit.failed()
        for _ in range(2):
            circuit.answered()

    assert told == [False, True, False, True, False]


def test_without_a_pause_nobody_is_held_back() -> None:
    clock = Clock()
    circuit = Circuit(failures=1, pause=timedelta(0), changed=lambda *, is_open: None, clock=clock)
    circuit.failed()

    assert [circuit.admits() for _ in range(3)] == [True] * 3
