"""
Payments at Stripe, by its own package. Imported only where Stripe is the chosen provider (`stripe_extra`).
"""

from uuid import uuid4

import stripe
from typing_extensions import override

from fulfillment.domain.errors import OutcomeUnknown
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind
from fulfillment.gateways import stripe_answers as told
from fulfillment.gateways.answers import EXCEEDS_CAPTURED, UNKNOWN_PAYMENT, Answer, Sought
from fulfillment.gateways.http import UnexpectedAnswer
from fulfillment.gateways.payments import PaymentGateway
from fulfillment.gateways.stripe_answers import DECLINED
from fulfillment.gateways.stripe_calls import UNEXPECTED_STATE, Deadline
from fulfillment.gateways.stripe_money import NotExpressible, to_stripe

_ORDER = "order_id"
# More than one order can ever have, and the most Stripe returns at once.
_PAGE = 100
_EXPIRED = {"charge_expired_for_capture", "capture_charge_authorization_expired"}
_TAKEN_BACK = {"charge_already_refunded", "charge_disputed"}


class StripeGateway(PaymentGateway):
    """
    One payment is one payment intent that is captured by hand.

    Two calls have an idempotency key, because each makes a new thing: `open` an intent, `refund` a refund. The others
    change an intent whose state says what has happened: done twice, they are refused, and the intent is read. There a
    key would do harm: for a day Stripe repeats the first answer to it, be it a 500, whatever became of the intent.
    """

    def __init__(self, client: stripe.StripeClient, deadline: Deadline, return_url: str) -> None:
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds
        self._deadline = deadline
        self._return_url = return_url

    async def open(self, key: str, order_id: OrderId, token: str, amount: Money) -> Answer | None:
        try:
            params: stripe.params.PaymentIntentCreateParams = {
                "amount": to_stripe(amount),
                "currency": amount.currency.lower(),
                "capture_method": "manual",
                "allowed_payment_method_types": ["card"],
                "payment_method": token,
                "metadata": {_ORDER: str(order_id), "authorize": key},
            }
        except NotExpressible:
            return DECLINED
        async with self._deadline.harmless("open"):
            try:
                intent = await self._created(params, key)
            except stripe.InvalidRequestError as error:
                if told.is_impossible(error):
                    return DECLINED
                raise
            return Answer(reference=intent.id)

    async def _created(self, params: "stripe.params.PaymentIntentCreateParams", key: str) -> stripe.PaymentIntent:
        try:
            return await self._intents.create_async(params, {"idempotency_key": key})
        except stripe.APIError as error:
            # The remembered 500 of this key would come all day. A second intent that nobody confirms does no harm.
            if (error.headers or {}).get("Idempotent-Replayed") != "true":
                raise
            return await self._intents.create_async(params, {"idempotency_key": f"{key}:{uuid4()}"})

    @override
    async def authorize(self, key: str, order_id: OrderId, token: str, amount: Money, payment: str | None) -> Answer:
        assert payment is not None, "a payment at Stripe is opened before it is authorised"  # noqa: S101
        async with self._deadline.effect("confirm"):
            try:
                intent = await self._intents.confirm_async(payment, {"return_url": self._return_url})
            except stripe.CardError as error:
                return told.declined(error)
            except stripe.InvalidRequestError as error:
                if told.is_impossible(error):
                    return DECLINED
                intent = await self._read_after(error, payment)
            answer = told.authorization(intent)
            if answer is None:
                raise UnexpectedAnswer("a payment that is not confirmed by being confirmed", 200)
            if not answer.refusal:
                told.expect(amount, intent.amount, intent.currency)
            return answer

    async def capture(self, key: str, authorization: str, amount: Money) -> Answer:
        try:
            params: stripe.params.PaymentIntentCaptureParams = {
                "amount_to_capture": to_stripe(amount),
                "metadata": {"capture": key},
            }
        except NotExpressible:
            return DECLINED
        async with self._deadline.effect("capture"):
            try:
                intent = await self._intents.capture_async(authorization, params)
            except stripe.CardError as error:
                return told.declined(error)
            except stripe.InvalidRequestError as error:
                if told.is_missing(error) or error.code in _EXPIRED:
                    return DECLINED
                intent = await self._read_after(error, authorization)
            answer = told.capture(intent)
            if answer is None:
                raise UnexpectedAnswer(f"a capture of a payment that is {intent.status}", 200)
            if not answer.refusal:
                told.expect(amount, intent.amount_received, intent.currency)
            return answer

    async def void(self, key: str, authorization: str) -> Answer:
        async with self._deadline.effect("cancel"):
            try:
                # First: afterwards nobody could tell our cancellation from one that somebody else made.
                await self._intents.update_async(authorization, {"metadata": {"void": key}})
                intent = await self._intents.cancel_async(authorization)
            except stripe.InvalidRequestError as error:
                if told.is_missing(error):
                    return Answer(refusal=UNKNOWN_PAYMENT)
                intent = await self._read_after(error, authorization)
            answer = told.attempted_void(intent)
            if answer is None:
                raise UnexpectedAnswer(f"a cancellation of a payment that is {intent.status}", 200)
            return answer

    async def refund(self, key: str, authorization: str, amount: Money) -> Answer:
        params: stripe.params.RefundCreateParams = {
            "payment_intent": authorization,
            "amount": to_stripe(amount),
            "metadata": {"refund": key},
        }
        async with self._deadline.effect("refund"):
            try:
                made = await self._refunds.create_async(params, {"idempotency_key": key})
            except stripe.InvalidRequestError as error:
                return await self._refused_refund(error, authorization, params["amount"])
            told.expect(amount, made.amount, made.currency)
            return told.refund(made)

    async def _refused_refund(self, error: stripe.InvalidRequestError, payment: str, amount: int) -> Answer:
        """Stripe has no code for most of the reasons, so the intent is read."""
        if told.is_missing(error):
            return Answer(refusal=UNKNOWN_PAYMENT)
        if error.code in _TAKEN_BACK:
            return Answer(refusal=EXCEEDS_CAPTURED)
        intent = await self._intents.retrieve_async(payment)
        if intent.status != "succeeded":
            return Answer(refusal=UNKNOWN_PAYMENT)
        given_back = sum(made.amount for made in await self._refunds_of(payment) if not told.refund(made).refusal)
        if given_back + amount > intent.amount_received:
            return Answer(refusal=EXCEEDS_CAPTURED)
        raise error

    async def find(self, sought: Sought) -> Answer | None:
        """
        What became of an earlier call, by the payment it was about.

        Without one (our ledger was lost) the payment is searched for by its order: Stripe's search lags behind by up
        to a minute, in its own bad times by an hour. Then only an effect counts whose key was noted on the payment.
        """
        async with self._deadline.harmless("look-up"):
            for intent in await self._sought_among(sought):
                answer = await self._became_of(sought, intent)
                if answer is not None:
                    return answer
        return None

    async def _sought_among(self, sought: Sought) -> list[stripe.PaymentIntent]:
        if sought.payment is not None:
            intent = await self._retrieved(sought.payment)
            return [] if intent is None else [intent]
        query = f'metadata["{_ORDER}"]:"{sought.order_id}"'
        hits = await self._intents.search_async({"query": query, "limit": _PAGE})
        # A hit is as old as the index; what is on it now counts.
        intents = [await self._intents.retrieve_async(hit.id) for hit in hits.data]
        if sought.kind is OperationKind.REFUND:
            return intents
        return [intent for intent in intents if _noted(intent, sought.kind) == sought.key]

    async def _retrieved(self, payment: str) -> stripe.PaymentIntent | None:
        try:
            return await self._intents.retrieve_async(payment)
        except stripe.InvalidRequestError as error:
            if told.is_missing(error):
                return None
            raise

    async def _became_of(self, sought: Sought, intent: stripe.PaymentIntent) -> Answer | None:
        match sought.kind:
            case OperationKind.AUTHORIZE:
                answer = told.authorization(intent)
                if answer is not None and answer.refusal and intent.status != "canceled":
                    await self._give_up(intent)
                return _of(sought, answer, intent.amount, intent)
            case OperationKind.CAPTURE:
                return _of(sought, told.capture(intent), intent.amount_received, intent)
            case OperationKind.VOID | OperationKind.CLOSE:
                return told.void(intent)
            case OperationKind.REFUND:
                made = await self._refunds_of(intent.id)
                return next((told.refund(one) for one in made if _noted(one, sought.kind) == sought.key), None)
        return None

    async def _give_up(self, intent: stripe.PaymentIntent) -> None:
        """
        What the customer has refused could be confirmed with another card, by whoever has the address they came back
        to; our books count with nothing more to come.
        """
        try:
            await self._intents.cancel_async(intent.id, {"cancellation_reason": "abandoned"})
        except stripe.InvalidRequestError as error:
            if error.code != UNEXPECTED_STATE:
                raise
            # It was: the next look-up finds out.
            raise OutcomeUnknown("Stripe cancel") from None

    async def _refunds_of(self, payment: str) -> list[stripe.Refund]:
        return (await self._refunds.list_async({"payment_intent": payment, "limit": _PAGE})).data

    async def _read_after(self, error: stripe.InvalidRequestError, payment: str) -> stripe.PaymentIntent:
        """The intent, if all that was wrong is that it has moved on."""
        if error.code != UNEXPECTED_STATE:
            raise error
        try:
            return await self._intents.retrieve_async(payment)
        except stripe.StripeError as lost:
            # It has moved on, so "not done" would be a lie, whatever keeps Stripe from saying where to.
            raise OutcomeUnknown("Stripe look-up") from lost.__cause__


def _of(sought: Sought, answer: Answer | None, amount: int, intent: stripe.PaymentIntent) -> Answer | None:
    if sought.amount is not None and answer is not None and not answer.refusal:
        told.expect(sought.amount, amount, intent.currency)
    return answer


def _noted(thing: stripe.PaymentIntent | stripe.Refund, kind: OperationKind) -> str | None:
    """The key of such an effect, as it was kept in the metadata; closing a payment is letting go of it."""
    name = OperationKind.VOID if kind is OperationKind.CLOSE else kind
    return None if thing.metadata is None else getattr(thing.metadata, name.value, None)
