import pytest

from tests.architecture.determinism import findings
from tests.architecture.sources import PACKAGE, modules

# Nonces must be unpredictable; the codec runs beside the workflow, never inside it.
_ALLOWED = {"contracts/encryption.py": frozenset({"os.urandom"})}


@pytest.mark.parametrize("package", ["domain", "contracts", "workflows"])
def test_a_replay_gives_the_same_answer(package: str) -> None:
    found = {
        f"{name}:{finding.line} {finding.rule}: {finding.what}"
        for path in modules(PACKAGE / package)
        for name in [path.relative_to(PACKAGE).as_posix()]
        for finding in findings(path.read_text(), allowed=_ALLOWED.get(name, frozenset()))
    }

    assert not found


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("from datetime import datetime\nx = datetime.now()", "clock"),
        ("import datetime as dt\nx = dt.datetime.now(dt.UTC)", "clock"),
        ("from datetime import datetime\nx = field(default_factory=datetime.utcnow)", "clock"),
        ("from datetime import date\nx = date.today()", "clock"),
        ("import time", "outside"),
        ("from time import monotonic", "outside"),
        ("import random", "outside"),
        ("from secrets import token_hex", "outside"),
        ("import os\nx = os.environ['A']", "outside"),
        ("from os import environ", "outside"),
        ("import os.path", "outside"),
        ("import socket", "outside"),
        ("import threading", "outside"),
        ("import logging", "outside"),
        ("from uuid import uuid4\nx = uuid4()", "outside"),
        ("from uuid import uuid4\nx = field(default_factory=uuid4)", "outside"),
        ("import uuid\nx = uuid.uuid1()", "outside"),
        ("import uuid\nx = uuid.uuid7()", "outside"),
        ("from uuid import uuid4 as fresh\nx = fresh()", "outside"),
        ("import asyncio\nasyncio.wait([])", "outside"),
        ("import asyncio\nasyncio.as_completed([])", "outside"),
        ("open('a')", "builtin"),
        ("x = hash('a')", "builtin"),
        ("x = sorted([], key=id)", "builtin"),
        ("print('a')", "builtin"),
        ("cache = {}", "module-state"),
        ("seen: set[str] = set()", "module-state"),
        ("from collections import defaultdict\nby_id = defaultdict(list)", "module-state"),
        ("from itertools import count\nids = count()", "module-state"),
        ("class A:\n    seen = []", "module-state"),
        ("A = {}\ndef f(): A['x'] = 1", "module-state"),
        ("A = []\ndef f(): A.append(1)", "module-state"),
        ("A = []\ndef f():\n    global A\n    A = [1]", "module-state"),
        ("import other\nother.LIMITS.update(x=1)", "module-state"),
        ("for x in {1, 2}: pass", "set-order"),
        ("for x in set(y): pass", "set-order"),
        ("x = [a for a in frozenset(y)]", "set-order"),
        ("x = list({a for a in y})", "set-order"),
        ("x = ','.join({'a', 'b'})", "set-order"),
        ("x = [*{1, 2}]", "set-order"),
        ("x = (a, *set(b))", "set-order"),
        ("def f(skus: set[str]):\n    for s in skus: pass", "set-order"),
        ("def f(a: frozenset[str], b):\n    return tuple(a | b)", "set-order"),
        ("def f():\n    seen = set()\n    return list(seen)", "set-order"),
        (
            "class A:\n    def __init__(self): self._seen = set()\n    def f(self): return [x for x in self._seen]",
            "set-order",
        ),
        ("for x in a.keys() & b.keys(): pass", "set-order"),
        ("x = next(iter(set(y)))", "set-order"),
        ("def f():\n    seen = {1, 2}\n    return seen.pop()", "set-order"),
    ],
)
def test_what_a_replay_would_see_differently_is_found(source: str, rule: str) -> None:
    assert rule in {finding.rule for finding in findings(source)}


@pytest.mark.parametrize(
    "source",
    [
        "from temporalio import workflow\nx = workflow.now()\ny = workflow.uuid4()",
        "from uuid import UUID, uuid5\nx = uuid5(UUID(int=0), 'a')",
        "from datetime import datetime\nx = datetime.fromisoformat('2026-01-01')",
        "import asyncio\nasync def f(a, b): return await asyncio.gather(a, b)",
        "TABLE = {'a': 1}\n_LIST = [1]",
        "__all__ = ['a']",
        "x = sorted({1, 2})",
        "x = len(set(y))",
        "x = 'a' in {'a', 'b'}",
        "X = {a for a in set(y)}",
        "for x in (1, 2): pass",
        "def f():\n    found = []\n    found.append(1)\n    return found",
        "def f(value):\n    value.id = 1\n    return value.id",
        "def f(id: str): return None",
    ],
)
def test_deterministic_code_is_left_alone(source: str) -> None:
    assert findings(source) == []


def test_an_exception_covers_one_name_and_nothing_else_of_its_module() -> None:
    source = "import os\nx = os.urandom(12)\ny = os.environ"

    found = findings(source, allowed=frozenset({"os.urandom"}))

    assert [finding.what for finding in found] == ["os.environ"]
