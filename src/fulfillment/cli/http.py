"""
What the commands that talk to a running service share: where it is, who asks, and how a refusal reads.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NoReturn, Self

import httpx2
import typer
from rich.console import Console
from rich.text import Text

from fulfillment.domain.money import Money
from fulfillment.local.endpoints import Endpoints

DEFAULT_URL = "http://127.0.0.1:8000"
STATE = Path(".local")
KEY_VARIABLE = "FULFILLMENT_API_KEY"

_TIMEOUT_SECONDS = 30.0
_PAGE = 200
_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})
_PIPED_WIDTH = 200
# A terminal obeys these: colours, its title, the cursor, what was written before.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# As the service words it.
_LACKING = "lack the scope: "

ApiUrl = Annotated[
    str | None,
    typer.Option(
        "--api",
        envvar="FULFILLMENT_API_URL",
        show_default=False,
        help=f"Address of the service. Without it: the local stack of this folder, else {DEFAULT_URL}.",
    ),
]
AsCaller = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="NAME",
        show_default=False,
        help="Ask with the key that the local stack has for this caller, like approver_director.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

Json = dict[str, Any]


class Refused(Exception):
    """The service answered with something that is no success; `hint` says what to do next, if anybody knows."""

    def __init__(self, response: httpx2.Response, hints: Mapping[str, str] | None = None) -> None:
        self.response = response
        self.problem = json_object(response)
        self.hint = (hints or {}).get(self.problem.get("code", ""))
        super().__init__(_readable(self.problem, response))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """A service, and as whom it is asked; `source` is where the key comes from, empty when there is none."""

    url: str
    key: str | None = field(default=None, repr=False)
    source: str = ""

    @classmethod
    def choose(cls, url: str | None, role: str, caller: str | None = None) -> Self:
        """
        A key of the user's own wins over that of a role; those of the local stack go nowhere else.

        Raises:
            BadParameter: the local stack has no key for the caller, or is not what is asked.
        """
        local = local_stack()
        base = url or (local.api if local else DEFAULT_URL)
        if caller is not None:
            keys = local.api_keys if local is not None and base == local.api else {}
            if caller not in keys:
                raise typer.BadParameter(_unknown_caller(caller, keys, base), param_hint="--as")
            return cls(url=base, key=keys[caller], source=f"the key of {caller} of the local stack")
        if key := os.environ.get(KEY_VARIABLE, "").strip():
            return cls(url=base, key=key, source=KEY_VARIABLE)
        if local is not None and base == local.api and role in local.api_keys:
            return cls(url=base, key=local.api_keys[role], source=f"the key of {role} of the local stack")
        return cls(url=base)

    def hint(self, refusal: Refused) -> str | None:
        """What to do about a refusal of these credentials."""
        match refusal.response.status_code:
            case 401 if not self.source:
                return f"Set {KEY_VARIABLE} to an API key or a JWT for this service."
            case 401 if self.source == KEY_VARIABLE:
                return f"What {KEY_VARIABLE} holds is not valid at {self.url}: correct it, or unset it."
            case 401:
                return f"It was {self.source}. Start the stack again to get a new one, or set {KEY_VARIABLE}."
            case 403:
                scope = refusal.problem.get("detail", "").partition(_LACKING)[2]
                wanted = f"has the scope {scope}" if scope else "may do this"
                return f"Put a key that {wanted} into {KEY_VARIABLE}; this was asked with {self.source or 'none'}."
        return None


def _unknown_caller(caller: str, keys: Mapping[str, str], base: str) -> str:
    if not keys:
        return f"no local stack of this folder answers at {base}: put a key into {KEY_VARIABLE} instead"
    return f"the local stack has no key for {caller}, only for {', '.join(keys)}"


@contextmanager
def service(url: str | None, role: str, caller: str | None = None) -> Iterator[httpx2.Client]:
    """
    A client of the service; a refusal or a dead line ends the command with a message and exit code 1.

    Credentials are those that the local stack has for `caller`, if one is named. Without one they come from
    `FULFILLMENT_API_KEY`, or for a local stack from its key of this `role`.
    """
    target = _Target.choose(url, role, caller)
    base = target.url
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    try:
        # A proxy of the environment is for the world outside; this machine is not there.
        outside = httpx2.URL(base).host not in _THIS_MACHINE
        with httpx2.Client(base_url=base, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=outside) as client:
            yield client
    except Refused as refusal:
        hint = refusal.hint or target.hint(refusal)
        fail(f"{refusal}\n{hint}" if hint else str(refusal))
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
        typer.echo(f"{base} is not an address like {DEFAULT_URL}.", err=True)
        raise typer.Exit(2) from None
    except httpx2.TimeoutException:
        fail(f"{base} did not answer within {_TIMEOUT_SECONDS:g} s.")
    except httpx2.TransportError:
        fail(f"Nobody answers at {base}. Start the service with `make up`, or name another address with --api.")


def checked(response: httpx2.Response) -> httpx2.Response:
    """
    The same response.

    Raises:
        Refused: it is no success.
    """
    if not response.is_success:
        raise Refused(response)
    return response


def accepted(response: httpx2.Response, hints: Mapping[str, str]) -> Json:
    """
    What a success says.

    Raises:
        Refused: it is no success; with the hint of its code on what to do next.
    """
    if not response.is_success:
        raise Refused(response, hints)
    document: Json = response.json()
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a change is sent, how many seconds are waited in between at most, and how."""

    attempts: int = 5
    longest: float = 10.0
    wait: Callable[[float], object] = time.sleep


_PATIENCE = Patience()


def persistent(
    client: httpx2.Client, method: str, path: str, body: Json, *, key: str, patience: Patience = _PATIENCE
) -> httpx2.Response:
    """Send a change; its key makes it safe to try again whenever the service asks for it."""
    for _ in range(patience.attempts - 1):
        response = client.request(method, path, json=body, headers={"Idempotency-Key": key})
        pause = response.headers.get("Retry-After", "")
        if not pause.isdecimal():
            return response
        patience.wait(min(int(pause), patience.longest))
    return client.request(method, path, json=body, headers={"Idempotency-Key": key})


def items(client: httpx2.Client, path: str, *, limit: int | None = None, **filters: str | None) -> Iterator[Json]:
    """The entries of a list, page by page, `limit` of them at most."""
    parameters: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
    while limit is None or limit > 0:
        size = _PAGE if limit is None else min(limit, _PAGE)
        page = checked(client.get(path, params={**parameters, "limit": size})).json()
        yield from page["items"]
        limit = None if limit is None else limit - len(page["items"])
        if page["next_cursor"] is None:
            return
        parameters["cursor"] = page["next_cursor"]


def fail(message: str) -> NoReturn:
    """End the command: refused or failed."""
    typer.echo(message, err=True)
    raise typer.Exit(1)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


class _Console(Console):
    """Texts of callers are told as they are, and tell the terminal nothing."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - they are passed on
        return super().render_str(_CONTROL.sub(_shown, text), **options)


def _shown(character: re.Match[str]) -> str:
    return ascii(character[0])[1:-1]


def console() -> Console:
    """Standard output, coloured on a terminal; what is piped has room. Texts of callers are never markup."""
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    return _Console(markup=False, emoji=False, highlight=False, width=width)


def money(value: Mapping[str, Any]) -> str:
    """An amount as people write it."""
    return str(Money(value["amount"], value["currency"]))


def local_stack() -> Endpoints | None:
    """Where the local stack of this folder answers; None without one."""
    try:
        return Endpoints.read(STATE)
    except (OSError, ValueError, TypeError):
        return None


def json_object(response: httpx2.Response) -> Json:
    """What an answer says; empty when it is no JSON object."""
    try:
        document = response.json()
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {}


def _readable(problem: Json, response: httpx2.Response) -> str:
    lines = [f"{response.status_code} {problem.get('code', response.reason_phrase)}: {problem.get('detail', '')}"]
    errors = problem.get("errors", [])
    if len(errors) > 1:
        lines += [f"  {error['field']}: {error['message']}" for error in errors]
    if "request_id" in problem:
        lines.append(f"  request {problem['request_id']}")
    return "\n".join(lines)
