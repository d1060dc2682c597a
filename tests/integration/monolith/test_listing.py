"""Lists: filters, search, order, and pages that neither lose nor repeat a product."""

from __future__ import annotations

import base64
import json
from urllib.parse import urlencode

import pytest
from sqlalchemy import event

from legacy_monolith.database import db
from tests.integration.monolith.shop import PRODUCTS, Person, Shop


def listed(person: Person, **query: object) -> list[str]:
    answer = person.get(f"{PRODUCTS}?{urlencode(query)}")
    assert answer.status_code == 200, answer.text
    return [item["title"] for item in answer.get_json()["items"]]


def pages(person: Person, **query: object) -> list[dict]:
    """Everything, page by page."""
    found, cursor = [], None
    while True:
        asked = {**query, "cursor": cursor} if cursor else query
        answer = person.get(f"{PRODUCTS}?{urlencode(asked)}").get_json()
        found += answer["items"]
        cursor = answer["next_cursor"]
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 3, 7])
@pytest.mark.parametrize("sort", ["newest", "price", "-price", "title"])
def test_pages_are_complete_and_without_repetition_where_sort_values_are_equal(
    shop: Shop, sort: str, limit: int
) -> None:
    seller = shop.seller()
    shop.query(
        "insert into products (seller_id, title, description, category, price, stock, created_at)"
        " select %s, 'T' || n %% 3, '', 'home', 1 + n %% 3, 1,"
        " '2026-01-01T00:00:00.123456Z'::timestamptz + n %% 3 * interval '1 microsecond'"
        " from generate_series(1, 22) n",
        seller.user["id"],
    )
    value = {"newest": "created_at", "title": "title"}.get(sort, "price")
    found = pages(shop.visitor(), sort=sort, limit=limit)
    descending = sort in ("newest", "-price")
    expected = sorted(found, key=lambda item: (item[value], item["id"]), reverse=descending)
    assert found == expected
    assert len({item["id"] for item in found}) == len(found) == 22


def test_a_page_goes_on_where_the_last_one_ended_while_products_come_and_go(shop: Shop) -> None:
    seller = shop.seller()
    products = [seller.offer(title=f"P{n}")["id"] for n in range(6)]
    first = seller.get(f"{PRODUCTS}?limit=3").get_json()
    seller.offer(title="later")
    seller.post(f"{PRODUCTS}/{products[3]}/withdraw")
    second = seller.get(f"{PRODUCTS}?limit=3&cursor={first['next_cursor']}").get_json()
    assert [item["title"] for item in second["items"]] == ["P2", "P1", "P0"]
    assert second["next_cursor"] is None


def test_titles_are_sorted_by_code_point(shop: Shop) -> None:
    seller = shop.seller()
    for title in ("b", "Z", "é", "a", "𝛼"):
        seller.offer(title=title)
    assert listed(shop.visitor(), sort="title") == ["Z", "a", "b", "é", "𝛼"]
    assert [item["title"] for item in pages(shop.visitor(), sort="title", limit=1)] == ["Z", "a", "b", "é", "𝛼"]


def test_filters_narrow_the_list(shop: Shop) -> None:
    one, two = shop.seller(), shop.seller()
    one.offer(title="cheap", price="1.00", category="home")
    one.offer(title="sold out", price="5.00", category="home", stock=0)
    two.offer(title="dear", price="9.99", category="garden")
    visitor = shop.visitor()
    assert listed(visitor, category="garden") == ["dear"]
    assert listed(visitor, seller_id=one.user["id"], sort="price") == ["cheap", "sold out"]
    assert listed(visitor, min_price="5", max_price="9.99", sort="price") == ["sold out", "dear"]
    assert listed(visitor, in_stock="true", sort="price") == ["cheap", "dear"]
    assert listed(visitor, in_stock="false") == ["sold out"]
    assert listed(visitor, category="none") == []


def test_search_understands_words_phrases_and_exclusions(shop: Shop) -> None:
    seller = shop.seller()
    seller.offer(title="Red chair", description="made of oak")
    seller.offer(title="Red table", description="made of pine")
    visitor = shop.visitor()
    assert listed(visitor, q="chairs") == ["Red chair"]
    assert listed(visitor, q="oak") == ["Red chair"]
    assert listed(visitor, q="red -oak") == ["Red table"]
    assert listed(visitor, q='"red table" or oak', sort="title") == ["Red chair", "Red table"]
    assert listed(visitor, q="\"unclosed ' & | ! ( :*") == []


def test_only_the_seller_lists_what_is_not_active(shop: Shop) -> None:
    seller = shop.seller()
    seller.offer(title="active")
    hidden = seller.offer(title="hidden")["id"]
    seller.send("PATCH", f"{PRODUCTS}/{hidden}", {"hidden": True})
    own = {"seller_id": seller.user["id"], "sort": "title"}
    assert listed(seller, **own) == ["active", "hidden"]
    assert listed(shop.seller(), **own) == ["active"]
    assert listed(shop.visitor(), **own) == ["active"]
    assert listed(seller) == ["active"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=x", "limit=1_0", "limit=", "sort=cheapest", "min_price=1.234", "max_price=x",
        "in_stock=yes", "seller_id=0", "seller_id=-1", "seller_id=1e3", "category=Home", "q=", "q=%00", "cursor=",
        "cursor=%21", "limit=5&limit=6", "colour=red", "q=" + "x" * 201,
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(shop: Shop, query: str) -> None:
    answer = shop.visitor().get(f"{PRODUCTS}?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json()["errors"]] == [query.partition("=")[0]]


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "forged",
    [
        cursor("price", "1.00", 1), cursor("newest", "yesterday", 1), cursor("newest", "2026-01-01T00:00:00Z", 1),
        cursor("newest", "2026-01-01T00:00:00.000000Z", "1"), cursor("newest", "2026-01-01T00:00:00.000000Z", 10**18),
        cursor("newest", "2026-01-01T00:00:00.000000Z", True), cursor("newest", None, 1), cursor(), cursor(1, 2, 3),
        cursor("newest", "0001-01-01T00:00:00.000000Z", 0), "AAAA", "é", "[" * 2000,
        base64.urlsafe_b64encode(b"[" * 1500).decode(),
    ],
)  # fmt: skip
def test_a_forged_cursor_is_refused(shop: Shop, forged: str) -> None:
    answer = shop.visitor().get(f"{PRODUCTS}?{urlencode({'cursor': forged})}")
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1e99", "1e999999999", "x"])
def test_a_forged_price_in_a_cursor_is_refused(shop: Shop, value: str) -> None:
    answer = shop.visitor().get(f"{PRODUCTS}?sort=price&cursor={cursor('price', value, 1)}")
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("sort=newest&limit=2", "products_newest_idx"),
        ("sort=price&limit=2", "products_cheapest_idx"),
        ("sort=-price&limit=2", "products_cheapest_idx"),
        ("sort=title&limit=2", "products_title_idx"),
        ("category=c7&sort=newest&limit=5", "products_category_newest_idx"),
        ("category=c7&sort=-price&limit=5", "products_category_cheapest_idx"),
        ("q=rare&limit=50", "products_search_idx"),
    ],
)
def test_every_order_is_read_from_its_index_on_the_first_and_on_later_pages(shop: Shop, query: str, index: str) -> None:
    seller = shop.seller()
    shop.query(
        "insert into products (seller_id, title, description, category, price, stock, created_at)"
        " select %s, 'T' || n, case when n %% 500 = 0 then 'rare' else 'usual' end, 'c' || n %% 200, n, 1,"
        " now() - n * interval '1 minute'"
        " from generate_series(1, 4000) n",
        seller.user["id"],
    )
    shop.query("analyze products")
    statements: list[tuple[str, dict]] = []

    def remember(connection, cursor, statement, parameters, context, executemany) -> None:
        statements.append((statement, parameters))

    with shop.app.app_context():
        event.listen(db.engine, "before_cursor_execute", remember)
        try:
            first = shop.visitor().get(f"{PRODUCTS}?{query}").get_json()
            if first["next_cursor"]:
                shop.visitor().get(f"{PRODUCTS}?{query}&cursor={first['next_cursor']}")
        finally:
            event.remove(db.engine, "before_cursor_execute", remember)
        with db.engine.connect() as connection:
            for statement, parameters in statements:
                plan = connection.exec_driver_sql(f"explain {statement}", parameters).scalars().all()
                assert index in "\n".join(plan), "\n".join(plan)
                assert "Seq Scan" not in "\n".join(plan)
