"""
The rows of the table of paths in `docs/order-lifecycle.md`: each is one test, which carries the row's id.
"""

from typing import Any

import pytest


def row(id: str) -> pytest.MarkDecorator:  # noqa: A002 - what it is called in the table
    """The test of one row."""
    return pytest.mark.parametrize((), [pytest.param(id=id)])


def case(id: str, *values: Any) -> Any:  # noqa: A002 - the same
    """One case of a test, which is the test of one row."""
    return pytest.param(*values, id=id)
