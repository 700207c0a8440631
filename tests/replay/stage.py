"""
Where the recorded paths are played: fake steps on a real server.

The deadlines are short, because nothing skips time here; replaying takes them from the history.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from fulfillment.domain.attention import Action
from fulfillment.domain.orders import AttentionReason
from tests.fakes.activities import Script
from tests.fakes.orders import a_line, an_event, an_order
from tests.workflows.running import RunningOrders
from tests.workflows.stories import BOOK, CAPTURE, PLACE, Story, begun

SOON = timedelta(milliseconds=300)
# The same in every recording, so that recording again shows a difference only where there is one.
ORDER_ID = UUID("00000000-0000-4000-8000-000000000001")


@dataclass(frozen=True)
class Stage:
    """Workers with a script are running."""

    orders: RunningOrders

    @property
    def script(self) -> Script:
        return self.orders.script

    def lives_by(self, **terms: Any) -> None:
        """The order has these terms."""
        self.script.terms = replace(self.script.terms, **terms)

    async def begins(
        self, *, price: int = 1500, token: str | None = "tok_visa", early: str | None = None, **more: Any
    ) -> Story:
        """The order of all recordings is accepted."""
        order = an_order(a_line(price=price), token=token, order_id=ORDER_ID, **more)
        return await begun(self.orders, order, an_event(ORDER_ID, early) if early else None)

    async def waits_for_a_card(self) -> Story:
        """It was placed without a payment."""
        story = await self.begins(token=None)
        await story.rests(PLACE)
        return story

    async def waits_for_the_carrier(self, *, price: int = 1500) -> Story:
        """Everything is done before the pick-up."""
        story = await self.begins(price=price, token="tok_visa" if price else None)
        await story.rests(CAPTURE if price else BOOK)
        return story

    async def is_asked(self, reason: AttentionReason, story: Story | None = None, *answers: Action) -> Story:
        """An operator is asked, and answers each time it is asked again."""
        story = story or await self.begins()
        for n, answer in enumerate(answers, 1):
            await story.asked(reason, n)
            await story.act(answer, "the provider's name of it")
        return story


Path = Callable[[Stage], Awaitable[Story]]
"""Plays an order up to where nothing more has to happen for it to end."""
