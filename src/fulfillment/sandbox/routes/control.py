"""
Faults to order, and whether the sandbox is well.
"""

from fastapi import APIRouter

from fulfillment.sandbox.faults import Control
from fulfillment.sandbox.routes.dependencies import AnyPeer

router = APIRouter()


@router.get("/control")
async def control(peer: AnyPeer) -> Control:
    return peer.faults.control


@router.put("/control")
async def set_control(body: Control, peer: AnyPeer) -> Control:
    return peer.control(body)


@router.delete("/control")
async def clear_control(peer: AnyPeer) -> Control:
    return peer.control(Control())


@router.get("/health")
async def health(peer: AnyPeer) -> dict[str, str | int]:
    return {"status": "ok", "undelivered_events": peer.outbox.size()}
