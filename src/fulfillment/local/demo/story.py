"""
What is special about an order of the file, in words.
"""

from fulfillment.domain.orders import OrderStatus
from fulfillment.local.demo.orders_file import FileOrder
from fulfillment.local.demo.scenarios import POSTAL_CODE_WORDS


def story(order: FileOrder) -> str:
    """Cards, parcels and people that did not do the usual; a parcel that simply arrives is told as such."""
    free = [] if order.total.amount else ["nothing to pay"]
    postal_code = order.body["shipping_address"].get("postal_code")
    address = [POSTAL_CODE_WORDS[postal_code]] if postal_code in POSTAL_CODE_WORDS else []
    told = [*free, *address, *order.scenario.summary()]
    if not told and order.scenario.expected.status is OrderStatus.DELIVERED:
        return "straight to the door"
    return ", ".join(told)
