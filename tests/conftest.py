"""
What all tests share: real servers, started once, stopped by the session that started them.
"""

import os

pytest_plugins = [
    "tests.fixtures.database",
    "tests.fixtures.temporal",
    "tests.fixtures.settings",
    "tests.fixtures.logs",
    "tests.fixtures.api",
]


def pytest_xdist_auto_num_workers() -> int:
    """
    One process more than there are cores: half of the time a test waits for a server, a timer or a time-out.
    """
    return (os.cpu_count() or 1) + 1
