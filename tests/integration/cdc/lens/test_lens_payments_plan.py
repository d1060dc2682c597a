"""The plan of payments on both real schemas: the same lens in snapshot, apply and verify, both ways."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from cdc import install
from cdc.comparing.compare import Report, compare
from cdc.copying import snapshot
from cdc.projection import Direction
from tests.integration.cdc.lens.shop import SEED, Shop, create_shop, lens_of, streaming, wait_until_caught_up
from tests.support.postgres import PostgresServer

LENS = lens_of("payments")
# Every state that there is, with and without what may be null.
ORDERS = """
    insert into cart_items select 1, n, n from generate_series(1, 20) n;
    insert into orders (user_id, key, state, total, failure, retry_at)
        select 1, gen_random_uuid(), (array['pending', 'placed', 'cancelling', 'cancelled', 'failed'])[1 + n % 5],
               n / 100.0, case when n % 5 = 4 then '{"code": "out-of-stock", "facts": {"stock": 0}}'::jsonb end,
               case when n % 2 = 0 then now() end
        from generate_series(1, 70) n;
    insert into order_lines (order_id, product_id, seller_id, title, quantity, unit_price)
        select id, 1 + id % 3, 1, 'Title "' || id, 1, 99999999.99 from orders;
    insert into payments (order_id, state, amount, refunded, intent, expires_at)
        select id, (array['unpaid', 'expiring', 'cancelling', 'cancelled', 'paid', 'partly_refunded',
                          'refunded'])[1 + id % 7],
               id * 100, 0, case when id % 2 = 0 then 'pi_' || id end, now()
        from orders;
    insert into refunds (order_id, key, seller_id, amount, state, reason)
        select id, case when id % 2 = 0 then gen_random_uuid() end, case when id % 2 = 0 then 1 end, id,
               (array['intended', 'made', 'refused', 'failed'])[1 + id % 4], case when id % 4 = 2 then 'why' end
        from orders;
    insert into stripe_events (id, order_id, type) select 'evt_' || id, id, 'charge.refunded' from orders;
"""


@pytest.fixture(scope="module")
def shop(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[Shop]:
    made = create_shop(monolith_server, services_server, "payments")
    made.on_monolith(SEED.format(products=20))
    made.on_monolith(ORDERS)
    snapshot.copy(made.forward)
    install.prepare_reverse(made.backward)
    yield made
    made.remove_streams()


def differences(shop: Shop) -> Report:
    with psycopg.connect(shop.monolith) as monolith, psycopg.connect(shop.service) as service:
        return compare(monolith, service, LENS.projections(Direction.TO_SERVICE))


def test_the_plan_fits_both_schemas(shop: Shop) -> None:
    with psycopg.connect(shop.monolith) as monolith, psycopg.connect(shop.service) as service:
        assert LENS.check(monolith, service) == []


def test_a_snapshot_through_the_lens_verifies(shop: Shop) -> None:
    report = differences(shop)
    assert report.differences == ()
    assert report.rows == 20 + 70 * 5
    assert shop.on_service("select state::text, total_cents, failure->'facts' from purchase where id = 14") == [
        ("failed", 14, {"stock": 0})
    ]
    assert shop.on_service("select state::text, currency from payment where purchase_id = 10") == [("void", "EUR")]


def test_changes_of_the_monolith_flow_through_the_lens(shop: Shop) -> None:
    with streaming(shop.forward):
        shop.on_monolith("update orders set state = 'cancelled', total = 12.34 where id < 10")
        shop.on_monolith("update payments set state = 'paid', intent = 'pi_new' where order_id = 1")
        shop.on_monolith("delete from cart_items where product_id < 5; update cart_items set quantity = 7")
        wait_until_caught_up(shop.forward)
    assert differences(shop).differences == ()
    assert shop.on_service("select state::text, total_cents from purchase where id = 9") == [("cancelled", 1234)]


def test_changes_of_the_service_flow_back_through_the_lens(shop: Shop) -> None:
    with streaming(shop.backward):
        shop.on_service("""
            with made as (insert into purchase (id, buyer_id, request_key, state, total_cents)
                          values (1000, 1, gen_random_uuid(), 'undoing', 1050) returning id),
                 line as (insert into purchase_line select id, 1, 1, 'New', 1, 1050 from made)
            insert into payment (purchase_id, state, amount_cents, expires_at) select id, 'void', 1050, now() from made
        """)
        shop.on_service("update refund set state = 'made', reason = null, reference = 're_' || id")
        shop.on_service("insert into stripe_event values ('evt_new', 1000, 'payment_intent.canceled')")
        shop.on_service("delete from cart_item where product_id = 20")
        wait_until_caught_up(shop.backward)
    assert differences(shop).differences == ()
    assert [tuple(map(str, row)) for row in shop.on_monolith(
        "select o.state, total, p.state, amount from orders o join payments p on p.order_id = o.id where o.id = 1000"
    )] == [("cancelling", "10.50", "cancelled", "1050")]  # fmt: skip
