"""
CPU time of processes, as Linux accounts for it: user and system, all threads, children included.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_MS_PER_TICK = 1000 / os.sysconf("SC_CLK_TCK")


def available() -> bool:
    """Whether this system accounts for processes the way we read it."""
    return (_PROC / "self" / "stat").exists()


def cpu_ms(pid: int, without: int | None = None) -> float:
    """
    Milliseconds a process and its children have used so far, those that have ended included.

    Args:
        pid: the parent.
        without: a child that does not count.
    """
    own, reaped = _used(pid)
    return own + reaped + sum(_used(child)[0] for child in _children(pid) if child != without)


def cpu_by_process(pids: Mapping[str, int], without: int | None = None) -> dict[str, float]:
    """The same for several processes at about the same moment."""
    return {name: cpu_ms(pid, without) for name, pid in pids.items()}


def _used(pid: int) -> tuple[float, float]:
    fields = _stat(pid)
    if not fields:
        return 0.0, 0.0
    user, system, child_user, child_system = (int(field) for field in fields[11:15])
    return (user + system) * _MS_PER_TICK, (child_user + child_system) * _MS_PER_TICK


def _children(parent: int) -> Iterator[int]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) and int(fields[1]) == parent:
            yield int(entry.name)


def _stat(pid: int) -> list[str]:
    """The fields from the state on: what stands before is the name, which may hold anything."""
    with suppress(OSError):
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return []
