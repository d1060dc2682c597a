"""The users' plan on both real schemas: one wide table here, three there, of which one is optional."""

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

LENS = lens_of("users")
SEED = """
    insert into users (email, password_hash, name, role, phone, phone_verified_at)
        select n || '@example.org', 'hash ' || n, 'N' || n, case when n % 3 = 0 then 'seller' else 'buyer' end,
               case when n % 2 = 0 then '+49151' || n end, case when n % 2 = 0 then now() end
        from generate_series(1, 100) n;
    insert into phone_codes (id, user_id, phone, state, expires_at)
        select gen_random_uuid(), id, '+49151',
               (array['intended', 'sent', 'refused', 'failed', 'in_doubt'])[1 + id % 5],
               now() from users;
    insert into rate_limits select 'key ' || n, now() from generate_series(1, 10) n;
"""
PHONES = "select account_id, phone from verification order by 1"


@pytest.fixture(scope="module")
def shop(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[Shop]:
    made = create_shop(monolith_server, services_server, "users")
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


def test_the_snapshot_verifies_and_who_has_no_phone_has_no_verification(shop: Shop) -> None:
    report = differences(shop)
    assert report.differences == ()
    assert report.rows == 100 + 100 + 50 + 100 + 10
    assert shop.on_service("select count(*), min(account_id) from verification") == [(50, 2)]


def test_phones_come_change_and_go_with_the_monoliths_column(shop: Shop) -> None:
    with streaming(shop.forward):
        shop.on_monolith("update users set phone = '+1', phone_verified_at = now() where id in (1, 2)")
        shop.on_monolith("update users set phone = null, phone_verified_at = null where id in (4, 5)")
        shop.on_monolith("update users set session_epoch = session_epoch + 1 where id between 6 and 90")
        shop.on_monolith("delete from phone_codes where user_id in (7, 8); delete from users where id in (7, 8)")
        shop.on_monolith("update phone_codes set user_id = 1 where user_id in (9, 10)")
        shop.on_monolith("update users set id = id + 1000 where id in (9, 10)")
        shop.on_monolith("insert into users (id, email, password_hash, name, role) values (500, 'n', '', 'N', 'buyer')")
        shop.on_monolith(
            "insert into users (id, email, password_hash, name, role, phone, phone_verified_at)"
            " values (501, 'm', '', 'M', 'seller', '+2', now())"
        )
        wait_until_caught_up(shop.forward)
    assert differences(shop).differences == ()
    phones = dict(shop.on_service(PHONES))
    assert {n: phones.get(n) for n in (1, 2, 4, 5, 7, 8, 9, 10, 500, 501, 1009, 1010)} == {
        1: "+1", 2: "+1", 4: None, 5: None, 7: None, 8: None, 9: None, 10: None, 500: None, 501: "+2", 1009: None,
        1010: "+4915110",
    }  # fmt: skip


def test_accounts_of_the_service_become_wide_rows(shop: Shop) -> None:
    with streaming(shop.backward):
        shop.on_service("""
            with made as (insert into account (id, email, name, role) values (600, 'S', 'S', 'seller') returning id)
            insert into credential select id, 'hash', 3 from made""")
        shop.on_service("insert into verification values (600, '+3', '2026-01-01T00:00:00Z')")
        shop.on_service("delete from verification where account_id in (20, 501)")
        shop.on_service("update credential set session_epoch = session_epoch + 1 where account_id < 50")
        shop.on_service("update verification set phone = '+9' where account_id = 22")
        wait_until_caught_up(shop.backward)
    assert differences(shop).differences == ()
    wide = "select email, password_hash, role, session_epoch, phone, phone_verified_at is not null from users"
    assert shop.on_monolith(f"{wide} where id = 600") == [("S", "hash", "seller", 3, "+3", True)]
    assert shop.on_monolith("select id, phone from users where id in (20, 22, 501) order by id") == [
        (20, None), (22, "+9"), (501, None)
    ]  # fmt: skip


def test_the_verifier_names_a_verification_that_is_missing_and_one_too_many(shop: Shop) -> None:
    shop.on_service("delete from verification where account_id = 30; insert into verification values (31, '+5', now())")
    assert [str(one) for one in differences(shop).differences] == [
        "public.verification (account_id 30): missing",
        "public.verification (account_id 31): surplus",
    ]


def test_a_truncation_empties_the_optional_table_too(shop: Shop) -> None:
    with streaming(shop.forward):
        shop.on_monolith("truncate users cascade")
        wait_until_caught_up(shop.forward)
    assert shop.on_service("select (select count(*) from account), (select count(*) from verification)") == [(0, 0)]
