"""
What the processes of the local stack say: all of it to one file per process, the useful part to one stream.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol, TextIO

import structlog

STACK = "stack"

_SERIOUS = {"warn", "warning", "error", "critical", "fatal", "panic"}
_POSTGRES_SEVERITY = re.compile(r"\b(WARNING|ERROR|FATAL|PANIC): ")
_CHUNK = 64 * 1024
_LONGEST_LINE = 1024 * 1024
_LARGEST_FILE = 10 * 1024 * 1024
_COLORS = (36, 32, 35, 34, 33, 31)


class LogSink(Protocol):
    """Where the stream goes."""

    def show(self, process: str, record: Mapping[str, Any]) -> None:
        """Take one line: a structured record, or `{"event": text}`."""


class JsonLines:
    """One JSON object per line, for pipes and files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, process: str, record: Mapping[str, Any]) -> None:
        _write(self._stream, json.dumps({"process": process, **_without_process(record)}, default=str))


class Console:
    """Coloured lines, each behind the name of its process, for people."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colors = "NO_COLOR" not in os.environ
        self._render = structlog.dev.ConsoleRenderer(colors=self._colors, pad_event_to=0, pad_level=False)
        self._known: dict[str, int] = {}

    def show(self, process: str, record: Mapping[str, Any]) -> None:
        color = _COLORS[self._known.setdefault(process, len(self._known)) % len(_COLORS)]
        prefix = f"\x1b[{color}m{process:<16}\x1b[0m" if self._colors else f"{process:<16}"
        fields = _without_process(record)
        if "exception" in fields:
            fields["exception"] = _traceback(fields["exception"])
        if "timestamp" in fields:
            fields["timestamp"] = str(fields["timestamp"])[11:19]  # the time of day is enough for reading along
        text = str(self._render(None, "", fields)) if len(fields) > 1 else str(fields.get("event", ""))
        for line in text.splitlines():
            _write(self._stream, f"{prefix} {line}")


def stream_for(stream: TextIO = sys.stdout) -> LogSink:
    """For people on a terminal, for programs on a pipe."""
    return Console(stream) if stream.isatty() else JsonLines(stream)


class StackLog:
    """Takes the output of processes; without a sink it goes to the files alone, at no cost to this process."""

    def __init__(self, folder: Path, sink: LogSink | None) -> None:
        self._folder = folder
        self._sink = sink
        self._pumps: set[asyncio.Task[None]] = set()
        self.muted: bool = False
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, process: str) -> Path:
        """The file that gets everything a process writes."""
        return self._folder / f"{process}.log"

    def say(self, level: str, event: str, **fields: object) -> None:
        """Report something about the stack itself."""
        record = {"timestamp": datetime.now(UTC).isoformat(), "level": level, "event": event, **fields}
        with self._open(STACK) as file:
            file.write(json.dumps(record, default=str).encode() + b"\n")
        if self._sink:
            self._sink.show(STACK, record)

    def tail(self, process: str, lines: int = 3) -> str:
        """The last lines a process wrote, for a report of its end."""
        path = self.path(process)
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    async def attach(self, process: str, *, quiet: bool) -> IO[bytes]:
        """
        Open what a process shall write to; the caller closes it after handing it over.

        Args:
            process: its name.
            quiet: show warnings and errors only.
        """
        file = self._open(process)
        if self._sink is None:
            return file
        reading, writing = os.pipe()
        reader = asyncio.StreamReader()
        pipe = os.fdopen(reading, "rb", buffering=0)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        pump = asyncio.create_task(self._pump(process, reader, file, self._sink, quiet=quiet))
        self._pumps.add(pump)
        pump.add_done_callback(self._pumps.discard)
        return os.fdopen(writing, "wb", buffering=0)

    async def drain(self) -> None:
        """Wait a moment for the last lines of processes that have ended."""
        if self._pumps:
            await asyncio.wait(self._pumps, timeout=1)

    def _open(self, process: str) -> IO[bytes]:
        path = self.path(process)
        if path.exists() and path.stat().st_size > _LARGEST_FILE:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab", buffering=0)

    async def _pump(
        self, process: str, reader: asyncio.StreamReader, file: IO[bytes], sink: LogSink, *, quiet: bool
    ) -> None:
        rest = b""
        with file:
            while chunk := await reader.read(_CHUNK):
                file.write(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > _LONGEST_LINE:
                    lines, rest = [*lines, rest], b""
                self._show(process, lines, sink, quiet=quiet)
        self._show(process, [rest], sink, quiet=quiet)

    def _show(self, process: str, lines: list[bytes], sink: LogSink, *, quiet: bool) -> None:
        for line in lines:
            record = _parse(line.decode(errors="replace").rstrip())
            if not record or (quiet and (self.muted or not _is_serious(record))):
                continue
            sink.show(process, record)


def _without_process(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a process calls itself gives way to what the stack calls it."""
    return {name: value for name, value in record.items() if name != "process"}


def _traceback(exception: object) -> str:
    """A structured traceback for reading: each exception of the chain with the places it came through last."""
    if not isinstance(exception, list):
        return str(exception)
    return "\n".join(
        f"{link.get('exc_type')}: {link.get('exc_value')} ({_places(link.get('frames', []))})" for link in exception
    )


def _places(frames: list[dict[str, Any]]) -> str:
    return " ".join(f"{frame.get('filename')}:{frame.get('lineno')}" for frame in frames[-3:])


def _parse(text: str) -> dict[str, Any]:
    if not text:
        return {}
    if text.startswith("{"):
        try:
            record = json.loads(text)
        except ValueError:
            return {"event": text}
        # The Temporal server says "msg" and "time" where everything else here says "event" and "timestamp".
        named = {{"msg": "event", "time": "timestamp"}.get(name, name): value for name, value in record.items()}
        return {**named, "level": str(named.get("level", "info")).lower()}
    severity = _POSTGRES_SEVERITY.search(text)
    return {"level": severity.group(1).lower(), "event": text} if severity else {"event": text}


def _is_serious(record: Mapping[str, Any]) -> bool:
    return str(record.get("level", "")).lower() in _SERIOUS


def _write(stream: TextIO, line: str) -> None:
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        # Whoever read us has gone; the files still have everything, and neither stopping nor exiting may fail over it.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
