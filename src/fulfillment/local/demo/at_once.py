"""
Doing something to many things, some at the same time.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

AT_ONCE = 16
"""Orders that are being placed, paid and booked at the same time, and requests under way."""

Item = TypeVar("Item")


async def each(items: Iterable[Item], act: Callable[[Item], Coroutine[Any, Any, None]]) -> None:
    """Do it to each, some at the same time; the first failure ends all."""
    waiting = iter(items)

    async def some() -> None:
        for item in waiting:
            await act(item)

    tasks = [asyncio.create_task(some()) for _ in range(AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
