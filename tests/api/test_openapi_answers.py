"""
The API's tests get no answer that is not in the OpenAPI document.
"""

import httpx2
import pytest

from tests.fixtures.documented import DocumentedTransport, Undocumented


class Answering(httpx2.AsyncBaseTransport):
    """A service that answers all the same."""

    def __init__(self, answer: httpx2.Response) -> None:
        self._answer = answer

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._answer


_ARTICLE = {"sku": "S", "name": "Kettle", "on_hand": 2, "reserved": 0, "available": 2, "version": 1}
_HEADERS = {"X-Request-Id": "r", "ETag": '"1"'}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (httpx2.Response(200, headers=_HEADERS, json=_ARTICLE), None),
        (httpx2.Response(418, headers=_HEADERS, json=_ARTICLE), "does not list this status"),
        (httpx2.Response(200, headers={"X-Request-Id": "r"}, json=_ARTICLE), "the header ETag is missing"),
        (httpx2.Response(200, headers=_HEADERS | {"ETag": "W/1"}, json=_ARTICLE), "the header ETag is"),
        (httpx2.Response(200, headers=_HEADERS, text="{}"), "the media type is 'text/plain'"),
        (httpx2.Response(200, headers=_HEADERS, json={**_ARTICLE, "on_hand": "2"}), "on_hand"),
        (httpx2.Response(304, headers=_HEADERS, json=_ARTICLE), "there is a body"),
    ],
)
async def test_tests_notice_an_answer_that_is_not_documented(answer: httpx2.Response, wrong: str | None) -> None:
    async with httpx2.AsyncClient(transport=DocumentedTransport(Answering(answer)), base_url="http://api") as api:
        if wrong is None:
            assert (await api.get("/v1/inventory/S")).status_code == 200
        else:
            with pytest.raises(Undocumented, match=wrong):
                await api.get("/v1/inventory/S")
