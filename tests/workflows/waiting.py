"""
Orders whose bank asks the customer for something.
"""

from tests.fakes.activities import Script
from tests.fakes.orders import an_order
from tests.workflows.running import RunningOrders
from tests.workflows.stories import AUTHORIZE, REVERSE, Story, begun


async def waiting(orders: RunningOrders) -> Story:
    """An order whose customer is asked to agree to its first card."""
    orders.script.asks_customer = True
    story = await begun(orders, an_order())
    await story.rests(AUTHORIZE)
    return story


def asked_for(script: Script) -> list[tuple[int, bool]]:
    """The numbers of the authorisations, and which were only asked about."""
    return [(request.n, request.resumes) for request in script.requests(AUTHORIZE)]


def reversed_as(script: Script) -> list[tuple[int, bool]]:
    """The authorisations that were reversed, and whether something took their place."""
    return [(request.authorization, request.replaces) for request in script.requests(REVERSE)]
