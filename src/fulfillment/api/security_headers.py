"""
What every answer tells browsers and caches: show nothing, run nothing, keep nothing.
"""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What FastAPI's page of documentation loads; it is there in profile local only.
_SCRIPTS = "https://cdn.jsdelivr.net"
_DOCS = (
    f"default-src 'none'; script-src 'unsafe-inline' {_SCRIPTS}; style-src 'unsafe-inline' {_SCRIPTS}; "
    "img-src data: https://fastapi.tiangolo.com; connect-src 'self'; frame-ancestors 'none'"
)
_POLICIES = {"/docs": _DOCS, "/docs/oauth2-redirect": _DOCS}
_YEAR_SECONDS = 365 * 24 * 60 * 60


def security_headers(public_url: str) -> Mapping[str, str]:
    """Headers of an answer that says nothing else about itself."""
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = f"max-age={_YEAR_SECONDS}"
    return headers


class SecurityHeaders:
    """Adds them to every answer; what a route says itself stands."""

    def __init__(self, app: ASGIApp, public_url: str) -> None:
        self._app = app
        self._headers = security_headers(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(MutableHeaders(scope=message), scope["path"])
            await send(message)

        await self._app(scope, receive, secured if scope["type"] == "http" else send)

    def _add(self, headers: MutableHeaders, path: str) -> None:
        if "etag" in headers:
            # The caller may keep it, nobody in between may, and it is asked for again before it is used.
            headers.setdefault("Cache-Control", "private, no-cache")
        if path in _POLICIES:
            headers.setdefault("Content-Security-Policy", _POLICIES[path])
        for name, value in self._headers.items():
            headers.setdefault(name, value)
