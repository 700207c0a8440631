"""
What all steps that reach a provider have in common.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """
    How long a provider step goes on: after `failures` of the provider (its own troubles, never ours) it gives up.

    An operation of unknown outcome that is older than `memory` is not asked for again: the provider may have
    forgotten its key.
    """

    failures: int
    memory: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """
    What an operator found in the provider's own records about the operation with the key `operation`: whether it
    happened, and the provider's `reference` for it.
    """

    operation: str
    happened: bool = True
    reference: str | None = None
