"""
What customers and banks do after the provider has answered.
"""

from typing import Literal

from fastapi import APIRouter, Response
from starlette.responses import HTMLResponse, RedirectResponse

from fulfillment.sandbox.payment_rules import Authorization
from fulfillment.sandbox.routes.dependencies import AnyPeer
from fulfillment.sandbox.schemas import ActionBody, PaymentEventBody

router = APIRouter(prefix="/payments/authorizations/{authorization_id}")

_BUTTONS = """<form method="post">
<button formaction="action/agree">agree</button>
<button formaction="action/refuse">refuse</button>
</form>"""
_OUTCOMES = {
    "declined": "You have refused. The shop has been told.",
    "voided": "The shop does not ask for this payment any more.",
}


@router.get("/action")
async def action_page(authorization_id: str, peer: AnyPeer) -> HTMLResponse:
    return HTMLResponse(_page(peer.payment_news.authorization(authorization_id)))


@router.post("/action")
async def act(authorization_id: str, body: ActionBody, peer: AnyPeer) -> dict[str, str]:
    settled = peer.payment_news.settle(authorization_id, agree=body.agree)
    return {"id": settled.id, "status": "succeeded" if settled.state == "live" else "declined"}


@router.post("/action/{choice}")
async def choose(authorization_id: str, choice: Literal["agree", "refuse"], peer: AnyPeer) -> Response:
    # A second click finds nothing to agree to; the page then says what became of the first.
    if peer.payment_news.authorization(authorization_id).state == "waiting":
        peer.payment_news.settle(authorization_id, agree=choice == "agree")
    return RedirectResponse("../action", 303)


@router.post("/events", status_code=202)
async def happen(authorization_id: str, body: PaymentEventBody, peer: AnyPeer) -> dict[str, str]:
    event_id = peer.payment_news.happen(authorization_id, body.type)
    return {"id": event_id, "type": f"payment.{body.type}", "payment": authorization_id}


def _page(payment: Authorization) -> str:
    asked = f"<p>The shop asks for {payment.amount} {payment.currency} (minor units).</p>"
    outcome = _OUTCOMES.get(payment.state, "You have agreed. The shop has been told.")
    told = _BUTTONS if payment.state == "waiting" else f"<p>{outcome}</p>"
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Your bank asks</title>'
    return f'<!doctype html>\n<html lang="en">\n{head}\n<h1>Your bank asks</h1>\n{asked}\n{told}\n</html>\n'
