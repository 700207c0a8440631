"""
The simulated payment provider: each request is one transaction around the rules.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from fulfillment.sandbox import payment_rules as rules
from fulfillment.sandbox.answers import Answer, Answers, Decline, Refused, declined, fingerprint
from fulfillment.sandbox.payment_rules import Authorization
from fulfillment.sandbox.payment_store import Balance, Entry, PaymentOperation, PaymentStore, ended
from fulfillment.sandbox.schemas import AmountBody, AuthorizeBody, EmptyBody
from fulfillment.sandbox.store import Store, timestamp

_PREFIXES = {"capture": "cap", "void": "void", "refund": "ref"}


def _new_id(prefix: str) -> str:
    return f"{prefix}_{uuid4().hex}"


@dataclass(frozen=True, slots=True)
class _Effect:
    """
    What was asked of the provider.
    """

    key: str
    operation: PaymentOperation
    order_id: str
    amount: int
    currency: str

    def entry(
        self,
        authorization_id: str | None,
        decline: Decline | None = None,
        *,
        waits: bool = False,
        moves_money: bool = True,
    ) -> Entry:
        done = authorization_id if self.operation == "authorize" else _new_id(_PREFIXES[self.operation])
        return Entry(
            key=self.key,
            order_id=self.order_id,
            operation=self.operation,
            id=None if decline else done,
            authorization_id=authorization_id,
            amount=self.amount,
            currency=self.currency,
            status="requires_action" if waits else "declined" if decline else "succeeded",
            code=decline.code if decline else None,
            at=timestamp(),
            moves_money=moves_money,
        )


class PaymentProvider:
    """
    Authorizes, captures, voids and refunds, each key once.
    """

    def __init__(self, store: Store, answers: Answers, late_after: timedelta, public_url: str) -> None:
        self._store = store
        self._answers = answers
        self._rows = PaymentStore(store)
        self._late_after = late_after
        self._public_url = public_url

    def authorize(self, key: str, body: AuthorizeBody) -> Answer:
        """
        Hold money on a card, or ask its customer to agree first.

        Raises:
            Refused: `key_reused`.
        """

        def act() -> Answer:
            effect = _Effect(key, "authorize", body.order_id, body.amount, body.currency)
            held = Authorization(_new_id("auth"), body.order_id, body.token, body.amount, body.currency)
            return self._record(effect, held.id, rules.authorized(held))

        return self._answers.once(key, fingerprint("authorize", "", body), act)

    def postpone(self, key: str, body: AuthorizeBody) -> Answer | None:
        """
        Authorize later: nothing to answer yet, unless it has been done meanwhile.

        Raises:
            Refused: `key_reused`.
        """
        with self._store.transaction():
            known = self._answers.known(key, fingerprint("authorize", "", body))
            if known is not None:
                return known
            waiting = self._rows.postponed(key)
            if waiting is None:
                self._rows.postpone(key, body.model_dump_json(), timestamp(datetime.now(UTC) + self._late_after))
            elif AuthorizeBody.model_validate_json(waiting) != body:
                raise Refused("key_reused", "this Idempotency-Key was used with another request; use a new key")
            return None

    def do_due(self) -> None:
        """
        Do the postponed authorizations whose time has come; done twice they are done once.
        """
        for key, body in self._rows.due(timestamp()):
            # Whoever used the key for something else meanwhile has been answered; this request never was.
            with suppress(Refused):
                self.authorize(key, AuthorizeBody.model_validate_json(body))
            self._rows.forget_postponed(key)

    def capture(self, authorization_id: str, key: str, body: AmountBody) -> Answer:
        """
        Take held money.

        Raises:
            Refused: `key_reused`, `not_found`, `not_capturable`, `currency_mismatch`, `exceeds_authorized`.
        """

        def act() -> Answer:
            held = self._authorization(authorization_id)
            return self._settle(key, "capture", held, rules.captured(held, body.amount, body.currency), body.amount)

        return self._answers.once(key, fingerprint("capture", authorization_id, body), act)

    def void(self, authorization_id: str, key: str) -> Answer:
        """
        Free held money, or ask the customer no more; a voided authorization answers with its first void.

        Raises:
            Refused: `key_reused`, `not_found`, `already_captured`.
        """

        def act() -> Answer:
            held = self._authorization(authorization_id)
            first = self._rows.first_void(authorization_id)
            if first:
                return self._succeeded(first)
            if held.state in ("waiting", "declined"):
                return self._end(key, held)
            return self._settle(key, "void", held, rules.voided(held), held.amount)

        return self._answers.once(key, fingerprint("void", authorization_id, EmptyBody()), act)

    def refund(self, authorization_id: str, key: str, body: AmountBody) -> Answer:
        """
        Give captured money back.

        Raises:
            Refused: `key_reused`, `not_found`, `currency_mismatch`, `exceeds_captured`.
        """

        def act() -> Answer:
            held = self._authorization(authorization_id)
            return self._settle(key, "refund", held, rules.refunded(held, body.amount, body.currency), body.amount)

        return self._answers.once(key, fingerprint("refund", authorization_id, body), act)

    def operation(self, key: str) -> dict[str, object]:
        """
        What this key did, that it was declined, or what its customer is asked.

        Raises:
            Refused: `not_found`.
        """
        entry = self._rows.answered(key)
        if entry is None:
            raise Refused("not_found", "no operation has this key")
        fields = ("operation", "status", "id", "authorization_id", "amount", "currency")
        found: dict[str, object] = {"key": key} | {field: getattr(entry, field) for field in fields}
        return found | ({"code": entry.code} if entry.code else {}) | self._next_action(entry)

    def ledger(self, order_id: str | None, after: int, limit: int) -> list[tuple[int, Entry]]:
        """
        What was done and declined, oldest first, with positions.
        """
        return self._rows.entries(order_id, after, limit)

    def balances(self, after: int, limit: int) -> list[tuple[int, Balance]]:
        """
        The balance of every order, with positions.
        """
        return self._rows.balances(None, after, limit)

    def balance(self, order_id: str) -> Balance:
        """
        The balance of one order: zero, without a currency, if it was never heard of.
        """
        found = self._rows.balances(order_id, 0, 1)
        return found[0][1] if found else Balance(order_id, None)

    def _authorization(self, authorization_id: str) -> Authorization:
        held = self._rows.authorization(authorization_id)
        if held is None:
            raise Refused("not_found", "no authorization has this id")
        return held

    def _settle(
        self, key: str, operation: PaymentOperation, held: Authorization, after: Authorization | Decline, amount: int
    ) -> Answer:
        return self._record(_Effect(key, operation, held.order_id, amount, held.currency), held.id, after)

    def _record(self, effect: _Effect, authorization_id: str, after: Authorization | Decline) -> Answer:
        if isinstance(after, Decline):
            # A declined card makes no authorization.
            entry = effect.entry(None if effect.operation == "authorize" else authorization_id, after)
            self._rows.append(entry)
            return declined(after, effect=entry.key)
        waits = after.state == "waiting"
        entry = effect.entry(authorization_id, waits=waits, moves_money=not waits)
        self._rows.save(after)
        self._rows.append(entry)
        return self._succeeded(entry)

    def _end(self, key: str, held: Authorization) -> Answer:
        """
        Void what holds nothing; nobody agrees to it any more.
        """
        if held.state == "waiting":
            self._rows.append(ended(self._rows.take_waiting(held.id), "voided"))
        entry = _Effect(key, "void", held.order_id, held.amount, held.currency).entry(held.id, moves_money=False)
        self._rows.save(replace(held, state="voided"))
        self._rows.append(entry)
        return self._succeeded(entry)

    def _succeeded(self, entry: Entry) -> Answer:
        fields = asdict(entry)
        shown = ["id", "status", "amount", "currency", "key"]
        if entry.operation != "authorize":
            shown.insert(2, "authorization_id")
        answer = {field: fields[field] for field in shown} | self._next_action(entry)
        return Answer(json.dumps(answer), effect=entry.key)

    def _next_action(self, entry: Entry) -> dict[str, object]:
        if entry.status != "requires_action":
            return {}
        url = f"{self._public_url}/payments/authorizations/{entry.id}/action"
        return {"next_action": {"type": "redirect_to_url", "url": url}}
