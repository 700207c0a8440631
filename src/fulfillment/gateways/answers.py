"""
What a provider says to a call or a look-up.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Done, under the provider's `reference`; or refused for good, with our code of the reason."""

    reference: str | None = None
    refusal: str | None = None
