"""
`fulfillment stock`: what is in the warehouse.
"""

from typing import Annotated
from urllib.parse import quote

import httpx2
import typer
from rich.table import Table

from fulfillment.cli.http import ApiUrl, AsJson, Json, checked, console, items, print_json, service

_ROLE = "operator"
_ATTEMPTS = 10

app = typer.Typer(help="What is in the warehouse.", no_args_is_help=True)

ArticleSku = Annotated[str, typer.Argument(metavar="SKU")]


@app.command(name="set")
def set_stock(
    sku: ArticleSku,
    on_hand: Annotated[int, typer.Argument(min=0, help="Pieces that are there, those held for orders included.")],
    name: Annotated[str | None, typer.Option(help="What the article is called.")] = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Say how many pieces of an article there are; makes the article when it is new.
    """
    body: Json = {"on_hand": on_hand} if name is None else {"on_hand": on_hand, "name": name}
    with service(api, _ROLE) as client:
        _print(checked(_put(client, _path(sku), body)).json(), as_json=as_json)


@app.command()
def show(
    sku: Annotated[str | None, typer.Argument(metavar="[SKU]", help="All articles without it.")] = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Show an article, or all of them.
    """
    with service(api, _ROLE) as client:
        if sku is not None:
            _print(checked(client.get(_path(sku))).json(), as_json=as_json)
            return
        articles = list(items(client, "/v1/inventory"))
    if as_json:
        print_json({"items": articles})
    else:
        _print_table(articles)


def _put(client: httpx2.Client, path: str, body: Json) -> httpx2.Response:
    """
    What was counted holds whatever orders did since we read the article: read it again and repeat.
    """
    response = client.put(path, json=body)
    for _ in range(_ATTEMPTS):
        if response.status_code not in (412, 428):
            break
        current = checked(client.get(path)).headers["ETag"]
        response = client.put(path, json=body, headers={"If-Match": current})
    return response


def _path(sku: str) -> str:
    return f"/v1/inventory/{quote(sku, safe='')}"


def _print(article: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(article)
    else:
        _print_table([article])


def _print_table(articles: list[Json]) -> None:
    table = Table("article", "name")
    for column in ("on hand", "reserved", "available"):
        table.add_column(column, justify="right")
    for article in articles:
        figures = (str(article[name]) for name in ("on_hand", "reserved", "available"))
        table.add_row(article["sku"], article["name"], *figures)
    console().print(table)
