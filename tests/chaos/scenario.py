"""
What a scenario is: something that breaks, and what must be true all the same.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from tests.chaos.stand import Stand


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many orders meet how many crashes; some scenarios have a number of crashes of their own."""

    orders: int
    crashes: int = 1


Play = Callable[[Stand, Size, Random], Awaitable[None]]
"""Raises `AssertionError` when something is not as it must be; the books are checked by whoever plays it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One line of the report; `size` is that of the whole run."""

    name: str
    play: Play
    size: Size
