"""
What every answer tells browsers and caches.
"""

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser

import httpx2
import pytest
from temporalio.client import Client

from fulfillment.api.resources import ApiResources
from fulfillment.db.engine import Database
from tests.api.bodies import a_key, an_order
from tests.api.sockets import connected
from tests.fixtures.api import serving
from tests.fixtures.identity import calling
from tests.fixtures.settings import MakeSettings

ALWAYS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def missing(headers: Mapping[str, str], cache: str = "no-store") -> dict[str, str | None]:
    """What is not as it must be, with what it is."""
    wanted = {**ALWAYS, "cache-control": cache}
    wrong: dict[str, str | None] = {name: headers.get(name) for name in wanted if headers.get(name) != wanted[name]}
    for name in ("server", "strict-transport-security", "x-powered-by"):
        if name in headers:
            wrong[name] = headers[name]
    return wrong


async def test_every_answer_has_them(api: httpx2.AsyncClient) -> None:
    placed = await api.post("/v1/orders", json=an_order(), headers=a_key())
    answers = [
        placed,
        await api.get("/v1/orders"),
        await api.get("/nowhere"),
        await api.get("/v1/orders/none"),
        await api.delete("/v1/orders"),
        await api.head("/v1/orders"),
        await api.post("/v1/orders", content=b"{", headers=a_key()),
        await api.post("/v1/orders", content=b" " * 40_000, headers=a_key()),
        await calling(api, None).get("/v1/orders"),
        await api.request("BREW", "/v1/orders"),
        await api.get("/v1/orders", headers={"X-Long": "v" * 40_000}),
        await api.get("/openapi.json"),
    ]
    assert [answer.status_code for answer in answers] == [202, 200, 404, 404, 405, 405, 415, 413, 401, 400, 431, 200]
    assert [missing(answer.headers) for answer in answers] == [{}] * len(answers)


async def test_what_has_a_version_may_be_kept_by_its_caller_and_is_asked_for_again(api: httpx2.AsyncClient) -> None:
    placed = (await api.post("/v1/orders", json=an_order(), headers=a_key())).json()
    order = await api.get(f"/v1/orders/{placed['id']}")
    same = await api.get(f"/v1/orders/{placed['id']}", headers={"If-None-Match": order.headers["etag"]})

    assert (order.status_code, same.status_code) == (200, 304)
    assert missing(order.headers, "private, no-cache") == missing(same.headers, "private, no-cache") == {}


async def test_browsers_are_kept_to_tls_where_callers_come_by_tls(
    make_settings: MakeSettings, database: Database, temporal: Client
) -> None:
    settings = make_settings(api={"public_url": "https://orders.example.com"})
    async with serving(ApiResources.of(settings, database, temporal)) as api:
        answers = [await api.get("/v1/orders"), await api.get("/nowhere"), await api.request("BREW", "/")]
    assert [answer.headers["strict-transport-security"] for answer in answers] == ["max-age=31536000"] * 3


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_no_other_origin_may_call(api: httpx2.AsyncClient, method: str) -> None:
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": method}
    wanted = {**preflight, "Access-Control-Request-Headers": "authorization"}
    answers = [
        await api.options("/v1/orders", headers=wanted),
        await api.options("/docs", headers=wanted),
        await api.get("/v1/orders", headers={"Origin": "https://evil.example"}),
    ]
    assert [answer.status_code for answer in answers] == [405, 405, 200]
    assert [name for answer in answers for name in answer.headers if name.startswith("access-control")] == []


class Page(HTMLParser):
    """What a page loads and runs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.needs: set[tuple[str, str]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        source = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        if tag in ("script", "style", "img") or (tag == "link" and source):
            icon = "icon" in (attributes.get("rel") or "")
            kind = "img" if icon or tag == "img" else "style" if tag in ("style", "link") else "script"
            origin = re.match(r"https://[^/]+", source or "")
            self.needs.add((kind, origin[0] if origin else "'unsafe-inline'"))


async def test_pages_may_load_what_they_load_and_no_more(api: httpx2.AsyncClient) -> None:
    for path in ("/docs", "/docs/oauth2-redirect", "/problems/not_found"):
        answer = await api.get(path)
        assert answer.status_code == 200
        policy = {part.split()[0]: part.split()[1:] for part in answer.headers["content-security-policy"].split(";")}
        needs = Page(answer.text).needs
        assert needs
        assert [need for need in needs if need[1] not in policy.get(f"{need[0]}-src", ())] == [], path
        assert path.startswith("/docs") or "script-src" not in policy
        assert policy["default-src"] == policy["frame-ancestors"] == ["'none'"]


async def test_nothing_of_a_connection_tells_what_serves_it(api: httpx2.AsyncClient) -> None:
    async with connected(api) as raw:
        await raw.send(b"rubbish\r\n\r\n")
        reply = await raw.answer()
    assert missing(reply.headers) == {}
    told = json.dumps(reply.headers) + reply.body.decode()
    assert not re.search("uvicorn|starlette|python|httptools|llhttp", told, re.IGNORECASE)
