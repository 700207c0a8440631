"""
What becomes of payments after the provider has answered: by their customers and by the banks. All of it is told.
"""

from fulfillment.sandbox import payment_rules as rules
from fulfillment.sandbox.answers import Refused
from fulfillment.sandbox.outbox import Outbox
from fulfillment.sandbox.payment_rules import Authorization
from fulfillment.sandbox.payment_store import PaymentStore, ended
from fulfillment.sandbox.schemas import PaymentEventType
from fulfillment.sandbox.store import Store, timestamp


class PaymentNews:
    """
    What happens to authorizations; each thing is an event to be pushed.
    """

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store = store
        self._rows = PaymentStore(store)
        self._outbox = outbox

    def authorization(self, authorization_id: str) -> Authorization:
        """
        One authorization as it is now.

        Raises:
            Refused: `not_found`.
        """
        found = self._rows.authorization(authorization_id)
        if found is None:
            raise Refused("not_found", "no authorization has this id")
        return found

    def settle(self, authorization_id: str, *, agree: bool) -> Authorization:
        """
        The customer agrees, and the money is held; or refuses.

        Raises:
            Refused: `not_found`, `nothing_to_agree_to`.
        """
        with self._store.transaction():
            after = rules.settled(self.authorization(authorization_id), agree=agree)
            self._rows.save(after)
            self._rows.append(ended(self._rows.take_waiting(after.id), None if agree else "card_declined"))
            self._push(after, "authorized" if agree else "failed")
            return after

    def happen(self, authorization_id: str, event: PaymentEventType) -> str:
        """
        Tell something of an authorization, true or not; the id of the event.

        Raises:
            Refused: `not_found`.
        """
        with self._store.transaction():
            return self._push(self.authorization(authorization_id), event)

    def _push(self, payment: Authorization, event: str) -> str:
        now = timestamp()
        data = {"payment": payment.id, "reference": payment.order_id, "occurred_at": now}
        return self._outbox.add(payment.id, {"type": f"payment.{event}", "timestamp": now, "data": data})
