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
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fulfillment.api_key import ApiKey
from fulfillment.domain.keyring import KEY_BYTES
from fulfillment.local.callers import CALLERS
from fulfillment.local.endpoints import write_private
from fulfillment.local.errors import StackError

SECRETS_FILE = "secrets.json"


@dataclass(frozen=True, kw_only=True, repr=False)
class Secrets:
    """What the data of one state folder is encrypted, recognised and signed with, and the keys of its callers."""

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
            api_keys=_complete({}),
        )

    def write(self, state: Path) -> None:
        """Keep them for the next start."""
        write_private(state / SECRETS_FILE, json.dumps(asdict(self), indent=2) + "\n")


def load_secrets(state: Path) -> Secrets:
    """
    The secrets of a state folder, made on first use: without the same ones its data could not be read again.

    A caller that has no key yet, or one of the form of an earlier release, gets a new one.

    Raises:
        StackError: the file is there but damaged.
    """
    path = state / SECRETS_FILE
    if not path.exists():
        Secrets.generate().write(state)
    try:
        kept = Secrets(**{"api_keys": {}, **json.loads(path.read_text())})
        keys = _complete(kept.api_keys)
    except (ValueError, TypeError, AttributeError) as error:
        msg = f"{path} is damaged: restore it, or delete the whole folder {state} to begin anew"
        raise StackError(msg) from error
    found = replace(kept, api_keys=keys)
    if found != kept:
        found.write(state)
    return found


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


def _complete(keys: Mapping[str, str]) -> dict[str, str]:
    """A key of today's form for every caller."""
    return {name: (ApiKey.read(keys.get(name, "")) or ApiKey.new()).text for name in CALLERS}


def _random() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
