"""
What the local stack refuses or gives up with: a sentence a person can act on.
"""


class StackError(Exception):
    """The local stack cannot start, or ended by itself; the message says why and what to do."""


class NotReady(Exception):
    """A process is alive but does not answer yet; the message says what was tried."""
