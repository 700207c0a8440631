"""
Placing the orders of a file of any size: a bounded number of lines is in memory, and of requests under way.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import httpx2

from fulfillment.cli.http import Json, Patience, Refused, json_object, persistent
from fulfillment.cli.tally import Outcome, RefusedFile, Tally, Told
from fulfillment.local.order_lines import BadLine, Line, Mistake, OrderLine, as_written, order_line

_LINES_PER_SENDER = 2
_ATTEMPTS = 20
_LONGEST_PAUSE_SECONDS = 60.0
_PAUSES_WITHOUT_ANSWER = (0.5, 1.0)


class _Stopped(Exception):
    """Nothing more is to be sent."""


class Placing:
    """
    Sends lines side by side; `show` is called after each.

    Attributes:
        tally: what has been done.
        is_interrupted: Ctrl-C came before the end.
        error: what ended it before its end, if anything did.
    """

    def __init__(
        self, client: httpx2.Client, at_once: int, refused: RefusedFile | None, show: Callable[[Tally], None]
    ) -> None:
        self.tally = Tally()
        self.is_interrupted = False
        self.error: Exception | None = None
        self._client = client
        self._at_once = at_once
        self._refused = refused
        self._show = show
        self._lock = threading.Lock()
        self._lines_at_once = at_once * _LINES_PER_SENDER
        self._room = threading.Semaphore(self._lines_at_once)
        self._stop = threading.Event()
        self._patience = Patience(attempts=_ATTEMPTS, longest=_LONGEST_PAUSE_SECONDS, wait=self._pause)

    def run(self, lines: Iterable[Line]) -> None:
        """Place them all; Ctrl-C ends it as soon as what is under way is answered."""
        with ThreadPoolExecutor(self._at_once) as pool:
            try:
                for line in lines:
                    self._room.acquire()
                    if self._stop.is_set():
                        break
                    pool.submit(self._place, line)
                else:
                    # Leaving the pool waits too, but there Ctrl-C would end this without a word.
                    for _ in range(self._lines_at_once):
                        self._room.acquire()
            except KeyboardInterrupt:
                self.is_interrupted = True
                self._stop.set()

    def _place(self, line: Line) -> None:
        """In one of the pool's threads: all that counts happens here, where Ctrl-C comes between nothing."""
        try:
            if not self._stop.is_set():
                self._tell(line)
        except _Stopped:
            pass  # it is not known to be placed, and not refused: the next run sends it again
        except Exception as error:  # noqa: BLE001 - handed to whoever runs this
            self.error = self.error or error
            self._stop.set()
        finally:
            self._room.release()

    def _tell(self, line: Line) -> None:
        original, extra = None, frozenset[str]()
        try:
            order = order_line(line)
            original, extra = order.original, order.extra
            outcome, answer = self._send(order)
        except BadLine as bad:
            outcome, answer = Outcome.BAD_LINE, _problem(bad)
            original = _original(line)
        with self._lock:
            self.tally.read = max(self.tally.read, line.end)
            self.tally.add(Told(line.number, outcome, (original or {}).get("reference"), answer), extra)
            if self._refused and not outcome.is_good:
                self._refused.write(line, original, answer)
            self._show(self.tally)

    def _send(self, order: OrderLine) -> tuple[Outcome, Json]:
        try:
            response = self._answer(order)
        except RecursionError:
            raise BadLine(Mistake("", "is nested too deeply")) from None
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            raise Refused(response)  # and so would all others be
        answer = json_object(response)
        if not response.is_success or "id" not in answer:
            return Outcome.REFUSED, _refusal(order, {"code": str(response.status_code), **answer})
        before = response.headers.get("Idempotency-Replayed") == "true"
        return Outcome.PLACED_BEFORE if before else Outcome.PLACED, answer

    def _answer(self, order: OrderLine) -> httpx2.Response:
        """A line that breaks once is no service that is away."""
        for pause in _PAUSES_WITHOUT_ANSWER:
            try:
                return self._once(order)
            except httpx2.TransportError:
                self._pause(pause)
        return self._once(order)

    def _once(self, order: OrderLine) -> httpx2.Response:
        return persistent(self._client, "POST", "/v1/orders", order.body, key=order.key, patience=self._patience)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Stopped


def _refusal(order: OrderLine, problem: Json) -> Json:
    """In the words of who wrote the line: that its key is made of its reference is not theirs to know."""
    if problem["code"] != "idempotency_key_reused" or not order.body.get("reference"):
        return problem
    message = "is taken: an order of this customer has it and says something else; choose another"
    return {**problem, **_problem(BadLine(Mistake("reference", message))), "code": problem["code"]}


def _problem(bad: BadLine) -> Json:
    errors = [{"field": mistake.field, "message": mistake.message} for mistake in bad.mistakes]
    return {"code": "bad_line", "detail": str(bad), "errors": errors}


def _original(line: Line) -> Json | None:
    """The line without an older reason beside it; None when it is no JSON object."""
    try:
        return as_written(line)
    except BadLine:
        return None
