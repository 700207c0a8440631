"""
The state folder of a local stack: one owner at a time, and secrets that outlive a restart.
"""

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from fulfillment.domain.keyring import KEY_BYTES
from fulfillment.local.endpoints import write_private
from fulfillment.local.errors import StackError

SECRETS_FILE = "secrets.json"
ROLES = ("shop", "operator", "admin", "approver_manager", "approver_director")
"""Those who have an API key of the local stack; the API does not ask for one yet."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Secrets:
    """What the data of one state folder is encrypted, recognised and signed with."""

    encryption_keys: str
    fingerprint_keys: str
    carrier_secret: str
    api_keys: Mapping[str, str]

    @classmethod
    def generate(cls) -> "Secrets":
        """Fresh random ones."""
        return cls(
            encryption_keys=f"local:{_random()}",
            fingerprint_keys=f"local:{_random()}",
            carrier_secret=f"whsec_{_random()}",
            api_keys={role: secrets.token_urlsafe(KEY_BYTES) for role in ROLES},
        )


def load_secrets(state: Path) -> Secrets:
    """
    The secrets of a state folder, made on first use: without the same ones its data could not be read again.

    Raises:
        StackError: the file is there but damaged.
    """
    path = state / SECRETS_FILE
    if not path.exists():
        write_private(path, json.dumps(asdict(Secrets.generate()), indent=2) + "\n")
    try:
        return Secrets(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        msg = f"{path} is damaged: restore it, or delete the whole folder {state} to begin anew"
        raise StackError(msg) from error


@contextmanager
def owned(state: Path) -> Iterator[None]:
    """
    Keep a state folder to ourselves; the folder is made if need be.

    Raises:
        StackError: another stack runs in it, or it cannot be made.
    """
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (state / "lock").open("a+")
    except OSError as error:
        msg = f"the state folder {state} cannot be used ({error.strerror}): choose another one with --state"
        raise StackError(msg) from error
    with file:
        _lock(file.fileno(), state)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _lock(descriptor: int, state: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
        msg = (
            f"a local stack already runs in {state} (pid {owner}): "
            "stop that one, or give this one a folder of its own with --state and ports with --free-ports"
        )
        raise StackError(msg) from error


def _random() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
