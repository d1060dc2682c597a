"""The seed: deterministic, consistent, and done once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from legacy_monolith import seed
from tests.integration.monolith.shop import PRODUCTS, Person, Shop

TABLES = [
    "users",
    "products",
    "stock_movements",
    "stock_reservations",
    "stock_reservation_lines",
    "orders",
    "order_lines",
]


def seeded(new_shop: Callable[..., Shop], size: seed.Size) -> Shop:
    shop = new_shop()
    seed.seed(shop.url("shop_owner"), size)
    return shop


def content(shop: Shop) -> list[str]:
    """A checksum of each table, but for the salted hash."""
    statement = "select md5(string_agg((to_jsonb(t) - 'password_hash')::text, ',' order by t::text)) from {} t"
    return [shop.query(statement.format(table))[0][0] for table in TABLES]


def test_the_same_arguments_give_the_same_shop_and_another_seed_another(new_shop: Callable[..., Shop]) -> None:
    one, same, other = (seeded(new_shop, seed.Size(20, 100, 60, number)) for number in (1, 1, 2))
    assert content(one) == content(same)
    assert content(one) != content(other)


def test_a_seeded_shop_balances_and_can_be_used(new_shop: Callable[..., Shop]) -> None:
    shop = seeded(new_shop, seed.Size(users=20, products=300, orders=200, seed=7))
    counts = [shop.query(f"select count(*) from {table}")[0][0] for table in ("users", "products", "orders")]
    assert counts == [20, 300, 200]
    shop.require_books_to_balance()
    assert not shop.query(
        "select o.id from orders o join order_lines l on l.order_id = o.id group by o.id"
        " having o.total <> sum(l.quantity * l.unit_price)"
    )
    buyer, seller = logged_in(shop, "buyer1"), logged_in(shop, "seller4")
    product = seller.offer()["id"]
    assert product == 301
    buyer.put_in_cart(product)
    assert buyer.check_out().status_code == 201
    [(order, user)] = shop.query("select id, user_id from orders where id = 5")
    owner = logged_in(shop, shop.query("select email from users where id = %s", user)[0][0].partition("@")[0])
    assert owner.post(f"/api/payments/orders/{order}/cancel").status_code == 200
    shop.require_books_to_balance()


def logged_in(shop: Shop, name: str) -> Person:
    somebody = shop.visitor()
    form = {"email": f"{name}@example.test", "password": seed.PASSWORD}
    assert somebody.post("/api/users/login", form).status_code == 200
    somebody.fetch_token()
    return somebody


def test_a_shop_is_seeded_once(
    new_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = new_shop()
    monkeypatch.setenv("MONOLITH_OWNER_URL", shop.url("shop_owner"))
    arguments = ["--users", "5", "--products", "7", "--orders", "3", "--seed", "1"]
    assert seed.main(arguments) == 0
    assert seed.main(arguments) == 0
    assert "already seeded: 5 users, 7 products, 3 orders" in capsys.readouterr().out
    assert len(shop.visitor().get(PRODUCTS).get_json()["items"]) > 0


@pytest.mark.parametrize(("users", "products", "orders"), [(0, 1, 0), (5, 0, 1)])
def test_a_shop_that_cannot_be_is_refused(
    new_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch, users: int, products: int, orders: int
) -> None:
    monkeypatch.setenv("MONOLITH_OWNER_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    arguments = ["--users", str(users), "--products", str(products), "--orders", str(orders)]
    assert seed.main(arguments) == 1


def test_an_empty_shop_is_a_shop(new_shop: Callable[..., Shop]) -> None:
    shop = seeded(new_shop, seed.Size(users=0, products=0, orders=0, seed=1))
    assert shop.visitor().get(PRODUCTS).get_json() == {"items": [], "next_cursor": None}
