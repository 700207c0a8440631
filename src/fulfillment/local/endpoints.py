"""
Where a running local stack answers: `endpoints.json` in its state folder.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

FILE_NAME = "endpoints.json"


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Addresses, credentials and process ids of a running local stack; `temporal` is `host:port`, the rest URLs."""

    api: str
    docs: str
    temporal: str
    temporal_namespace: str
    temporal_ui: str
    sandbox: str
    database_dsn: str
    metrics: Mapping[str, str]
    api_keys: Mapping[str, str]
    carrier_secret: str
    pids: Mapping[str, int]

    @classmethod
    def read(cls, state: Path) -> Self:
        """
        The endpoints of the stack running in a state folder.

        Raises:
            FileNotFoundError: no stack runs there, or it is not up yet.
        """
        return cls(**json.loads((state / FILE_NAME).read_text()))

    def write(self, state: Path) -> None:
        """Publish the file at once as a whole; only its owner may read it, since it holds credentials."""
        write_private(state / FILE_NAME, json.dumps(asdict(self), indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
    draft.replace(path)
