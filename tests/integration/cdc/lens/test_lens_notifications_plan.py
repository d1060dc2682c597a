"""The notifications' plan on both real schemas: choices are columns here and rows there."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from cdc import install
from cdc.comparing.compare import Report, compare
from cdc.copying import snapshot
from cdc.projection import Direction
from tests.integration.cdc.lens.shop import Shop, create_shop, lens_of, streaming, wait_until_caught_up
from tests.support.postgres import PostgresServer

LENS = lens_of("notifications")
SEED = """
    insert into users (email, password_hash, name, role)
        select n || '@example.org', '', 'N' || n, 'buyer' from generate_series(1, 60) n;
    insert into notification_messages (id, user_id, event_id, kind, channel, subject, body, state, attempts, reference,
                                       next_attempt_at, claimed_at, sent_at, read_at, recipient)
        select gen_random_uuid(), id, gen_random_uuid(), 'order.paid', case when id % 3 = 0 then 'sms' else 'email' end,
               'Order ' || id, E'Hello\\n"you" ' || id,
               (array['pending', 'sending', 'sent', 'failed', 'in_doubt', 'skipped'])[1 + id % 6], id % 6,
               case when id % 2 = 0 then 'ref ' || id end, case when id % 5 = 0 then now() end,
               case when id % 4 = 0 then now() end, case when id % 7 = 0 then now() end, null, '+49151' from users;
    insert into notification_preferences (user_id, email_orders, sms_sales)
        select id, id % 2 = 0, id % 3 = 0 from users where id <= 40;
    insert into notifications_inbox select gen_random_uuid(), 'order.paid' from generate_series(1, 20);
"""
CHOICES = "select user_id, enabled from preference where channel = 'sms' and topic = 'sales' and user_id in (1, 50)"


@pytest.fixture(scope="module")
def shop(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[Shop]:
    made = create_shop(monolith_server, services_server, "notifications")
    made.on_monolith(SEED)
    snapshot.copy(made.forward)
    install.prepare_reverse(made.backward)
    yield made
    made.remove_streams()


def differences(shop: Shop) -> Report:
    with psycopg.connect(shop.monolith) as monolith, psycopg.connect(shop.service) as service:
        return compare(monolith, service, LENS.projections(Direction.TO_SERVICE), chunk_rows=30)


def test_the_plan_fits_both_schemas(shop: Shop) -> None:
    with psycopg.connect(shop.monolith) as monolith, psycopg.connect(shop.service) as service:
        assert LENS.check(monolith, service) == []


def test_the_snapshot_verifies_and_each_choice_is_a_row(shop: Shop) -> None:
    report = differences(shop)
    assert report.differences == ()
    assert report.rows == 60 + 40 + 5 * 40 + 20
    statuses = "select count(distinct status), count(*) filter (where channel = 'sms') from message"
    assert shop.on_service(statuses) == [(6, 20)]


def test_messages_and_choices_of_the_monolith_reach_the_service(shop: Shop) -> None:
    with streaming(shop.forward):
        shop.on_monolith(
            "update notification_messages set state = 'sending', claimed_at = now() where state = 'pending'"
        )
        shop.on_monolith("update notification_messages set read_at = now() where user_id < 30")
        shop.on_monolith("update notification_preferences set sms_sales = not sms_sales where user_id = 1")
        shop.on_monolith("insert into notification_preferences (user_id, sms_sales) values (50, true)")
        shop.on_monolith("delete from notification_preferences where user_id in (2, 3)")
        wait_until_caught_up(shop.forward)
    assert differences(shop).differences == ()
    assert shop.on_service(f"{CHOICES} order by 1") == [(1, True), (50, True)]
    assert shop.on_service("select count(*) from preference where user_id in (2, 3)") == [(0,)]


def test_messages_and_choices_of_the_service_reach_the_monolith(shop: Shop) -> None:
    with streaming(shop.backward):
        shop.on_service("update message set status = 'unknown', due_at = null where status = 'sending'")
        shop.on_service("insert into inbox values (gen_random_uuid(), 'order.sold')")
        shop.on_service(
            "insert into message (id, receiver_id, event_id, kind, channel, title, body, status, due_at)"
            " values (gen_random_uuid(), 60, gen_random_uuid(), 'order.sold', 'sms', '', 'Sold', 'queued', now())"
        )
        shop.on_service("""
            with owner as (insert into preference_owner values (51) returning user_id)
            insert into preference select user_id, c::preference_channel, t::preference_topic, e from owner,
                (values ('email', 'orders', true), ('email', 'sales', false), ('email', 'account', true),
                        ('sms', 'orders', true), ('sms', 'sales', false)) rows (c, t, e)""")
        shop.on_service("update preference set enabled = not enabled where user_id = 4 and topic = 'sales'")
        wait_until_caught_up(shop.backward)
    assert differences(shop).differences == ()
    columns = "email_orders, email_sales, email_account, sms_orders, sms_sales"
    assert shop.on_monolith(f"select {columns} from notification_preferences where user_id = 51") == [
        (True, False, True, True, False)
    ]
    [(pending, in_doubt)] = shop.on_monolith(
        "select count(*) filter (where state = 'pending'), count(*) filter (where state = 'in_doubt')"
        " from notification_messages"
    )
    assert (pending, in_doubt) == (1, 30)
