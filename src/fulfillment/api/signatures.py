"""
Who sent an event: Standard Webhooks signatures.
"""

from collections.abc import Mapping

from standardwebhooks import Webhook

from fulfillment.inbound_events import BadSignature

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def verified_id(headers: Mapping[str, str], body: bytes, secret: str) -> str:
    """
    The id of a signed event, the same in all attempts of its sender.

    Raises:
        BadSignature: whatever is wrong with headers or body.
    """
    webhook = Webhook(secret)
    signed = {name: headers.get(name, "") for name in _HEADERS}
    try:
        webhook.verify(body, signed, json_parse=False)
    except Exception as error:
        # The library lets ValueError and UnicodeDecodeError out as well: two commas in the header are enough.
        raise BadSignature from error
    return signed["webhook-id"]
