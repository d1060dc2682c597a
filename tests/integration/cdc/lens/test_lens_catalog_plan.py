"""The catalog's plan on both real schemas: the same lens in snapshot, apply and verify, both ways."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from cdc import install
from cdc.comparing.compare import Report, compare
from cdc.copying import snapshot
from cdc.projection import Direction
from tests.integration.cdc.lens.shop import (
    IMAGE,
    LENS,
    SEED,
    Shop,
    create_shop,
    streaming,
    wait_until_caught_up,
)
from tests.support.postgres import PostgresServer


@pytest.fixture(scope="module")
def shop(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[Shop]:
    made = create_shop(monolith_server, services_server)
    made.on_monolith(SEED.format(products=200))
    snapshot.copy(made.forward)
    install.prepare_reverse(made.backward)
    yield made
    made.remove_streams()


def differences(shop: Shop) -> Report:
    with psycopg.connect(shop.monolith) as monolith, psycopg.connect(shop.service) as service:
        return compare(monolith, service, IMAGE)


def test_the_plan_fits_both_schemas(shop: Shop) -> None:
    with psycopg.connect(shop.monolith) as monolith, psycopg.connect(shop.service) as service:
        assert LENS.check(monolith, service) == []


def test_a_snapshot_through_the_lens_verifies(shop: Shop) -> None:
    report = differences(shop)
    assert report.differences == ()
    assert report.rows == 200 + 200 + 200 + 200 + 600
    assert shop.on_service("select price_cents, currency, status from product where id = 15") == [
        (15, "EUR", "archived")
    ]


def test_changes_of_the_monolith_flow_through_the_lens(shop: Shop) -> None:
    with streaming(shop.forward):
        shop.on_monolith("update products set price = 99999999.99, title = 'é''{x}' where id = 100")
        shop.on_monolith("""
            with more as (update products set stock = stock + 5, is_hidden = not is_hidden where id < 20 returning id)
            insert into stock_movements (product_id, delta, reason, request_key)
            select id, 5, 'return', gen_random_uuid() from more""")
        shop.on_monolith("delete from stock_reservation_lines where product_id = 2")
        wait_until_caught_up(shop.forward)
    assert differences(shop).differences == ()
    assert shop.on_service("select price_cents, title from product where id = 100") == [(9999999999, "é'{x}")]


def test_changes_of_the_service_flow_back_through_the_lens(shop: Shop) -> None:
    with streaming(shop.backward):
        shop.on_service("""
            with made as (insert into product (id, seller_id, title, description, category, price_cents, status)
                          values (1000, 1, 'New', '', 'c', 1050, 'withdrawn') returning id)
            insert into inventory (product_id, available) select id, 7 from made""")
        shop.on_service("update inventory set available = available + 1 where product_id < 10")
        shop.on_service("update product set status = 'hidden', price_cents = price_cents + 1 where id < 10")
        shop.on_service("update reservation set state = 'released'")
        shop.on_service("delete from movement where product_id = 50; delete from inventory where product_id = 50;"
                        "delete from product where id = 50")  # fmt: skip
        wait_until_caught_up(shop.backward)
    assert differences(shop).differences == ()
    assert [tuple(map(str, row)) for row in shop.on_monolith(
        "select price, stock, is_hidden, is_withdrawn from products where title = 'New'"
    )] == [("10.50", "7", "False", "True")]  # fmt: skip


def test_a_part_that_is_missing_is_a_difference(shop: Shop) -> None:
    """The monolith cannot tell a product without inventory from one without stock; the verifier can."""
    shop.on_service("delete from inventory where product_id = 60")
    try:
        with psycopg.connect(shop.service) as service, psycopg.connect(shop.monolith) as monolith:
            report = compare(service, monolith, IMAGE, Direction.TO_MONOLITH)
        assert [str(difference) for difference in report.differences] == ["public.inventory (product_id 60): surplus"]
    finally:
        shop.on_service("insert into inventory (product_id, available) values (60, 11)")
