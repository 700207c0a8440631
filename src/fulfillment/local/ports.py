"""
Ports on the loopback interface: the usual ones, or free ones.
"""

import random
import socket
from collections.abc import Collection
from dataclasses import astuple, dataclass, fields

from fulfillment.local.errors import StackError

HOST = "127.0.0.1"

# Below the range the kernel hands out to outgoing connections, so that none of those takes a port we have just chosen.
_FREE_RANGE = range(20000, 32000)


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports callers and developers use."""

    api: int = 8000
    temporal: int = 7233
    temporal_ui: int = 8233
    sandbox: int = 8090

    @classmethod
    def free(cls) -> "Ports":
        """Four nobody listens on."""
        api, temporal, temporal_ui, sandbox = free_ports(4)
        return cls(api=api, temporal=temporal, temporal_ui=temporal_ui, sandbox=sandbox)

    @property
    def numbers(self) -> tuple[int, ...]:
        """All of them."""
        return astuple(self)

    def check(self) -> None:
        """
        Refuse to go on while somebody else listens on one of them.

        Raises:
            StackError: naming every taken port, what it is for, and the way out.
        """
        taken = [
            (getattr(self, field.name), field.name) for field in fields(self) if not _is_free(getattr(self, field.name))
        ]
        if taken:
            named = ", ".join(f"port {port} (for {name.replace('_', ' ')})" for port, name in taken)
            msg = f"{named}: already in use. Stop what listens there, or start with --free-ports"
            raise StackError(msg)


def free_ports(count: int, *, besides: Collection[int] = ()) -> list[int]:
    """Different ports nobody listens on; `besides` are those chosen already, on which nobody listens yet."""
    found: list[int] = []
    for port in random.sample(_FREE_RANGE, k=len(_FREE_RANGE)):
        if port not in besides and _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    msg = f"no {count} free ports between {_FREE_RANGE.start} and {_FREE_RANGE.stop}"
    raise StackError(msg)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
