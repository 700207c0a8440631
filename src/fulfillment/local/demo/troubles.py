"""
What the processes of a stack complained about: where to look first when a demo went wrong.
"""

import json
from collections.abc import Iterator
from pathlib import Path

_TAIL_BYTES = 64 * 1024
_MOST_LINES = 3
_SERIOUS = {"error", "critical", "fatal", "panic"}
_STACK = "stack"


def troubles(state: Path) -> list[str]:
    """The last complaints of every process, by name; the whole logs are in `logs/` of the state folder."""
    return [
        f"{log.stem}: {line}"
        for log in sorted((state / "logs").glob("*.log"))
        for line in list(_complaints(log))[-_MOST_LINES:]
    ]


def _complaints(log: Path) -> Iterator[str]:
    # A death of a process is a warning of the stack.
    levels = _SERIOUS | {"warning"} if log.stem == _STACK else _SERIOUS
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and str(record.get("level", "")).lower() in levels:
            yield line[:1000]
