"""
`/inventory`: what is in the warehouse, and how it came about.
"""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote
from uuid import uuid5

from fastapi import APIRouter, Depends, Header, Path, Query
from pydantic import Field, TypeAdapter, ValidationError
from starlette.responses import Response

from fulfillment.api.access import GuardedRoute, requires
from fulfillment.api.cursors import CursorCodec
from fulfillment.api.dependencies import Caller, Expected, IdempotencyKey, IfNoneMatch, NoQuery, Resources
from fulfillment.api.headers import entity_tag, matches_entity_tag
from fulfillment.api.openapi.headers import LOCATION
from fulfillment.api.openapi.refusals import BODY, problems
from fulfillment.api.pages import answer, page
from fulfillment.api.problems import Problem
from fulfillment.api.schemas.common import PRINTED, Page, Text100
from fulfillment.api.schemas.inventory import AdjustmentBody, ArticleOut, CountBody, MovementOut
from fulfillment.api.schemas.orders import PageQuery
from fulfillment.db import inventory
from fulfillment.db.inventory import MOST_ON_HAND, Adjustment, Article, Count, Movement, OnHandTooLarge
from fulfillment.domain.errors import SkuNotFound
from fulfillment.domain.identity import Scope
from fulfillment.domain.ids import ORDERS, Sku

router = APIRouter(tags=["inventory"], route_class=GuardedRoute)

_articles: CursorCodec[str] = CursorCodec(Text100)
_movements: CursorCodec[int] = CursorCodec(Annotated[int, Field(ge=0, lt=2**63)])
_sku = TypeAdapter[str](Text100)


SkuInPath = Annotated[
    str,
    Path(
        description="The article; percent-encoded, where it has signs that addresses use. One with `/` or `\\` in it, "
        "and `.` and `..`, have no address.",
        examples=["KETTLE-1"],
        json_schema_extra={"minLength": 1, "maxLength": 100, **PRINTED},
    ),
]


def _storable(sku: SkuInPath) -> Sku:
    try:
        return Sku(_sku.validate_python(sku))
    except ValidationError:
        raise Problem.field("sku", "must have 1 to 100 characters, none of them NUL") from None


ArticleSku = Annotated[Sku, Depends(_storable)]
"""The article an address names."""
IfMatch = Annotated[str | None, Header(include_in_schema=False)]


def _article(article: Article, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return answer(ArticleOut.of(article), status, {"ETag": entity_tag(article.version), **(headers or {})})


@router.get(
    "/inventory",
    operation_id="listArticles",
    summary="List articles",
    response_model=Page[ArticleOut],
    response_description="A page of articles.",
)
@requires(Scope.INVENTORY_READ)
async def list_inventory(query: Annotated[PageQuery, Query()], resources: Resources) -> Response:
    """
    In the order of their SKU.
    """
    after = _articles.decode(query.cursor)
    async with resources.database.statement() as connection:
        rows = await inventory.articles(connection, after=after, limit=query.limit + 1)
    return answer(page(rows, query.limit, ArticleOut.of, _articles, lambda row: row.sku))


@router.get(
    "/inventory/{sku}",
    operation_id="getArticle",
    summary="Read an article",
    response_model=ArticleOut,
    response_description="The article as it is now.",
    responses={304: {"description": "It still has the version of `If-None-Match`."}, **problems("not_found")},
)
@requires(Scope.INVENTORY_READ)
async def get_article(sku: ArticleSku, resources: Resources, _: NoQuery, if_none_match: IfNoneMatch = None) -> Response:
    """
    With its version as `ETag`.
    """
    async with resources.database.statement() as connection:
        article = await inventory.article(connection, sku)
    if matches_entity_tag(if_none_match, article.version):
        return Response(status_code=304, headers={"ETag": entity_tag(article.version)})
    return _article(article)


@router.put(
    "/inventory/{sku}",
    operation_id="putArticle",
    summary="Count an article",
    response_model=ArticleOut,
    response_description="The article is corrected.",
    responses={
        201: {"model": ArticleOut, "description": "The article is new.", "headers": LOCATION},
        **problems(*BODY, "not_found", "below_reserved", "precondition_failed", "precondition_required"),
    },
)
@requires(Scope.INVENTORY_WRITE)
async def put_article(
    sku: ArticleSku,
    body: CountBody,
    resources: Resources,
    caller: Caller,
    _: NoQuery,
    expected: Expected,
    if_match: IfMatch = None,
) -> Response:
    """
    Makes a new article, or corrects one: that needs `If-Match` with the `ETag` it was read with. Repeating the request
    that made an article is refused in the same way.
    """
    count = Count(sku=sku, on_hand=body.on_hand, name=body.name, actor=caller.id)
    async with resources.database.transaction() as connection:
        if if_match is None:
            created = await inventory.create(connection, count)
            if created is None:
                raise Problem("precondition_required", f"{sku} exists: send If-Match with the ETag it was read with")
            return _article(created, 201, {"Location": f"/v1/inventory/{quote(sku, safe='')}"})
        try:
            return _article(await inventory.correct(connection, count, expected=expected))
        except SkuNotFound:
            raise Problem("precondition_failed", f"there is no article {sku}; leave If-Match out to make it") from None


@router.post(
    "/inventory/{sku}/adjustments",
    operation_id="adjustArticle",
    summary="Adjust an article",
    status_code=201,
    response_model=MovementOut,
    response_description="The movement that was made, now or by an earlier request with this key.",
    responses=problems(
        *BODY,
        "idempotency_key_missing",
        "idempotency_key_reused",
        "not_found",
        "below_reserved",
        "precondition_failed",
    ),
)
@requires(Scope.INVENTORY_WRITE)
async def adjust_article(
    sku: ArticleSku,
    body: AdjustmentBody,
    resources: Resources,
    caller: Caller,
    key: IdempotencyKey,
    _: NoQuery,
    expected: Expected,
) -> Response:
    """
    Goods that came, broke or turned up: the movement that was made, the same bytes for every repetition of the key.
    """
    name = str(uuid5(uuid5(ORDERS, caller.id), key))
    adjustment = Adjustment(sku=sku, delta=body.delta, reason=body.reason, key=name, actor=caller.id)
    try:
        async with resources.database.transaction() as connection:
            movement, replayed = await inventory.adjust(connection, adjustment, expected=expected)
    except OnHandTooLarge:
        raise Problem.field("delta", f"must not lead to more than {MOST_ON_HAND} pieces") from None
    return answer(MovementOut.of(movement), 201, {"Idempotency-Replayed": "true"} if replayed else None)


@router.get(
    "/inventory/{sku}/movements",
    operation_id="listMovements",
    summary="List the movements of an article",
    response_model=Page[MovementOut],
    response_description="A page of movements.",
    responses=problems("not_found"),
)
@requires(Scope.INVENTORY_READ)
async def list_movements(sku: ArticleSku, query: Annotated[PageQuery, Query()], resources: Resources) -> Response:
    """
    The newest first; all of them add up to the figures of the article.
    """
    before = _movements.decode(query.cursor)
    async with resources.database.statement() as connection:
        rows = await inventory.movements(connection, sku, before=before, limit=query.limit + 1)
        if not rows:
            await inventory.article(connection, sku)
    return answer(page(rows, query.limit, MovementOut.of, _movements, _position))


def _position(movement: Movement) -> int:
    return movement.id
