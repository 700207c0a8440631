"""
What all tests share: real servers, started once, stopped by the session that started them.
"""

pytest_plugins = [
    "tests.fixtures.database",
    "tests.fixtures.temporal",
    "tests.fixtures.settings",
    "tests.fixtures.logs",
    "tests.fixtures.api",
]
