"""
What ends a demo before its report.
"""


class DemoError(Exception):
    """The demo cannot go on; the message says why."""
