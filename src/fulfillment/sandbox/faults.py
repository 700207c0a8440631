"""
What goes wrong on purpose: by card token, by postal code, and by `/control`.
"""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Operation = Literal["authorize", "capture", "void", "refund", "book", "cancel", "lookup", "events"]
Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Never = Annotated[float, Field(ge=0, le=0, allow_inf_nan=False)]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]


class _Settable(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LookupControl(_Settable):
    """
    The faults of look-ups: these always answer, unless they are down.
    """

    fail_rate: Never = 0
    lose_answer_rate: Never = 0
    latency_ms: tuple[Milliseconds, Milliseconds] = (0, 0)
    down: bool = False

    @model_validator(mode="after")
    def _latency_is_a_range(self) -> Self:
        if self.latency_ms[0] > self.latency_ms[1]:
            msg = "latency_ms must be [min, max] with min <= max"
            raise ValueError(msg)
        return self


class OperationControl(LookupControl):
    """
    The faults of one operation: shares of requests (0 to 1) answered 503, or done but not answered.
    """

    fail_rate: Rate = 0
    lose_answer_rate: Rate = 0


class Control(_Settable):
    """
    All faults in force, and the seed of their random numbers (absent: the one of the settings).
    """

    seed: int | None = None
    authorize: OperationControl = OperationControl()
    capture: OperationControl = OperationControl()
    void: OperationControl = OperationControl()
    refund: OperationControl = OperationControl()
    book: OperationControl = OperationControl()
    cancel: OperationControl = OperationControl()
    lookup: LookupControl = LookupControl()
    events: OperationControl = OperationControl()


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What happens to one request; the latency is in seconds.
    """

    latency: float
    unavailable: bool
    lose_answer: bool


class Faults:
    """
    Draws the fault of each request. The n-th request of an operation meets the same fault under the same seed.
    """

    def __init__(self, control: Control, seed: int) -> None:
        self._seed = seed
        self.control = control

    @property
    def control(self) -> Control:
        """
        What is in force; setting it starts the random numbers again.
        """
        return self._control

    @control.setter
    def control(self, control: Control) -> None:
        seed = self._seed if control.seed is None else control.seed
        self._control = control.model_copy(update={"seed": seed})
        # One stream per operation: concurrent operations do not disturb each other's sequence.
        self._random = {name: random.Random(f"{seed}:{name}") for name in Control.model_fields}

    def draw(self, operation: Operation) -> Fault:
        """
        Decide the fault of the next request of this operation.
        """
        control: LookupControl = getattr(self._control, operation)
        stream = self._random[operation]
        low, high = control.latency_ms
        # Always three numbers, so that changing one rate leaves the sequence of the others as it was.
        latency, failure, loss = (low + (high - low) * stream.random()) / 1000, stream.random(), stream.random()
        return Fault(latency, control.down or failure < control.fail_rate, loss < control.lose_answer_rate)


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    How a request with a new key is treated before or after it is done. A known key is simply answered again.
    """

    down: bool = False
    failures: int = 0
    delay: timedelta = timedelta(0)
    lose_first_answer: bool = False


PLAIN = Scenario()

BY_TOKEN = {
    "tok_lost_answer": Scenario(lose_first_answer=True),
    "tok_flaky": Scenario(failures=2),
    "tok_slow": Scenario(delay=timedelta(seconds=3)),
    "tok_down": Scenario(down=True),
}

BY_POSTAL_CODE = {
    "TEST-LOST-ANSWER": Scenario(lose_first_answer=True),
    "TEST-FLAKY": Scenario(failures=2),
    "TEST-DOWN": Scenario(down=True),
}
