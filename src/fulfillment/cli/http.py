"""
What the commands that talk to a running service share: where it is, who asks, and how a refusal reads.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx2
import typer
from rich.console import Console

from fulfillment.domain.money import Money
from fulfillment.local.endpoints import Endpoints

DEFAULT_URL = "http://127.0.0.1:8000"
STATE = Path(".local")

_TIMEOUT_SECONDS = 30.0
_PAGE = 200
_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})
_PIPED_WIDTH = 200
_LONGEST_PAUSE_SECONDS = 10.0

ApiUrl = Annotated[
    str | None,
    typer.Option(
        "--api",
        envvar="FULFILLMENT_API_URL",
        show_default=False,
        help=f"Address of the service. Without it: the local stack of this folder, else {DEFAULT_URL}.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

Json = dict[str, Any]


class Refused(Exception):
    """The service answered with something that is no success."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.problem = _problem(response)
        super().__init__(_readable(self.problem, response))


@contextmanager
def service(url: str | None, role: str) -> Iterator[httpx2.Client]:
    """
    A client of the service; a refusal or a dead line ends the command with a message and exit code 1.

    Credentials come from `FULFILLMENT_API_KEY`, or for a local stack from its key of this `role`.
    """
    local = _local_stack()
    base = url or (local.api if local else DEFAULT_URL)
    key = os.environ.get("FULFILLMENT_API_KEY")
    if key is None and local is not None and base == local.api:
        key = local.api_keys.get(role)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        # A proxy of the environment is for the world outside; this machine is not there.
        outside = httpx2.URL(base).host not in _THIS_MACHINE
        with httpx2.Client(base_url=base, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=outside) as client:
            yield client
    except Refused as refusal:
        fail(str(refusal))
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
    """What a success says; a refusal ends the command, with the hint of its code on what to do next."""
    if not response.is_success:
        refusal = Refused(response)
        hint = hints.get(refusal.problem.get("code", ""))
        fail(f"{refusal}\n{hint}" if hint else str(refusal))
    document: Json = response.json()
    return document


def persistent(
    client: httpx2.Client, method: str, path: str, body: Json, *, key: str, attempts: int = 5
) -> httpx2.Response:
    """Send a change; its key makes it safe to try again whenever the service asks for it."""
    response = client.request(method, path, json=body, headers={"Idempotency-Key": key})
    pause = response.headers.get("Retry-After", "")
    if not pause.isdecimal() or attempts == 1:
        return response
    time.sleep(min(int(pause), _LONGEST_PAUSE_SECONDS))
    return persistent(client, method, path, body, key=key, attempts=attempts - 1)


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


def console() -> Console:
    """Standard output, coloured on a terminal; what is piped has room. Texts of callers are never markup."""
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    return Console(markup=False, emoji=False, highlight=False, width=width)


def money(value: Mapping[str, Any]) -> str:
    """An amount as people write it."""
    return str(Money(value["amount"], value["currency"]))


def _local_stack() -> Endpoints | None:
    try:
        return Endpoints.read(STATE)
    except (OSError, ValueError, TypeError):
        return None


def _problem(response: httpx2.Response) -> Json:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    return problem if isinstance(problem, dict) else {}


def _readable(problem: Json, response: httpx2.Response) -> str:
    lines = [f"{response.status_code} {problem.get('code', response.reason_phrase)}: {problem.get('detail', '')}"]
    errors = problem.get("errors", [])
    if len(errors) > 1:
        lines += [f"  {error['field']}: {error['message']}" for error in errors]
    if "request_id" in problem:
        lines.append(f"  request {problem['request_id']}")
    return "\n".join(lines)
