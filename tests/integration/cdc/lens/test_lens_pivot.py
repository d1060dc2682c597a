"""A pivot there and back: any rows, in a snapshot, in streams both ways, and seen by the verifier."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from cdc import install
from cdc.comparing.compare import compare
from cdc.copying import snapshot
from cdc.message_errors import UnknownLabel
from cdc.projection import Direction
from cdc.spec import StreamSpec
from cdc.stream import Stream
from tests.integration.cdc.lens.carry import by_copy, by_values
from tests.integration.cdc.lens.preferences import (
    EMPTY_SERVICE,
    LENS,
    MONOLITH,
    MONOLITH_ROWS,
    SERVICE,
    SERVICE_ROWS,
)
from tests.integration.cdc.lens.shop import Shop, streaming, wait_until_caught_up
from tests.integration.cdc.stream.conftest import as_fig, make_side
from tests.support.postgres import PostgresServer

IMAGE = LENS.projections(Direction.TO_SERVICE)
Sides = tuple[Connection[Any], Connection[Any]]

_number = itertools.count(1)


@pytest.fixture
def preferences(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[Shop]:
    """Both databases with three people's preferences, copied, with both streams set up."""
    number = next(_number)
    monolith = monolith_server.create_database(f"pivot_monolith_{number}")
    service = services_server.create_database(f"pivot_service_{number}")
    make_side(monolith_server, monolith, MONOLITH)
    make_side(services_server, service, SERVICE)
    specs = [
        StreamSpec(
            name=f"preferences_{direction}", domain="preferences", source_dsn=as_fig(source), target_dsn=as_fig(target),
            slot=f"fig_pivot_{direction}_{number}", publication="fig_preferences",
            origin=f"fig_pivot_{direction}_{number}", projections=LENS.projections(direction), heartbeat=0.05,
        )
        for direction, source, target in (
            (Direction.TO_SERVICE, monolith, service), (Direction.TO_MONOLITH, service, monolith)
        )
    ]  # fmt: skip
    made = Shop(monolith, service, *specs)
    made.on_monolith("insert into notification_preferences (user_id, sms_orders, hello) values"
                     " (1, true, 'Hi'), (2, false, null), (3, false, '')")  # fmt: skip
    snapshot.copy(made.forward)
    install.prepare_reverse(made.backward)
    yield made
    made.remove_streams()


def assert_same(shop: Shop) -> None:
    with psycopg.connect(shop.monolith) as monolith, psycopg.connect(shop.service) as service:
        assert list(map(str, compare(monolith, service, IMAGE).differences)) == []


def settled(shop: Shop, spec: StreamSpec, *statements: str) -> None:
    """Each statement is a transaction on the stream's source; all of them have been applied."""
    with streaming(spec):
        for statement in statements:
            (shop.on_monolith if spec is shop.forward else shop.on_service)(statement)
        wait_until_caught_up(spec)


def test_the_lens_fits_both_schemas_and_the_snapshot_verifies(preferences: Shop) -> None:
    with psycopg.connect(preferences.monolith) as monolith, psycopg.connect(preferences.service) as service:
        assert list(map(str, LENS.check(monolith, service))) == []
        report = compare(monolith, service, IMAGE)
    assert (report.rows, report.differences) == (3 * (1 + 4 + 2), ())
    assert preferences.on_service("select channel, topic, enabled from preference where user_id = 1 order by 1, 2") == [
        ("sms", "orders", True), ("email", "orders", True), ("email", "sales", True),
        ("it's {odd} 100 %", "orders", False),
    ]  # fmt: skip


def test_changes_of_the_monolith_reach_each_row(preferences: Shop) -> None:
    settled(
        preferences, preferences.forward,
        "insert into notification_preferences (user_id, email_sales)"
        " select n, n % 2 = 0 from generate_series(10, 200) n",
        "update notification_preferences set email_orders = false, bye = null where user_id % 3 = 0",
        "update notification_preferences set user_id = user_id + 1000 where user_id between 50 and 60",
        "delete from notification_preferences where user_id between 100 and 110",
        "delete from notification_preferences where user_id = 1;"
        " insert into notification_preferences (user_id) values (1)",
    )  # fmt: skip
    assert_same(preferences)
    assert preferences.on_service("select count(*) from preference") == [(4 * (3 + 191 - 11),)]
    settled(preferences, preferences.forward, "truncate notification_preferences")
    assert preferences.on_service(SERVICE_ROWS) == []


NEW_OWNER = """
    insert into preference_owner (user_id) values ({0});
    insert into preference (user_id, channel, topic, enabled) values ({0}, 'email', 'orders', false);
    insert into preference (user_id, channel, topic, enabled) values ({0}, 'sms', 'orders', true);
    insert into preference (user_id, channel, topic, enabled)
        values ({0}, 'email', 'sales', false), ({0}, 'it''s {{odd}} 100 %', 'orders', false);
    insert into phrase values ({0}, 'hello', 'Hey'), ({0}, 'bye', null);
"""


def test_rows_of_the_service_become_columns(preferences: Shop) -> None:
    settled(
        preferences, preferences.backward,
        NEW_OWNER.format(20),
        NEW_OWNER.format(21),
        "update preference set enabled = not enabled where user_id in (2, 21)",
        "update preference_owner set updated_at = '2026-02-02' where user_id = 2",
        "delete from preference where user_id = 3 and channel = 'email';"
        " insert into preference (user_id, channel, topic, enabled)"
        " values (3, 'email', 'orders', false), (3, 'email', 'sales', true)",
        "update phrase set words = 'Adieu' where owner_id = 20 and kind = 'bye'",
        "delete from phrase where owner_id = 1; delete from preference where user_id = 1;"
        " delete from preference_owner where user_id = 1",
        # First the owner, as a cascade may do it.
        "delete from preference_owner where user_id = 21; delete from preference where user_id = 21;"
        " delete from phrase where owner_id = 21",
    )  # fmt: skip
    assert_same(preferences)
    assert preferences.on_monolith("select user_id, email_orders, email_sales, sms_orders, hello, bye"
                                   " from notification_preferences order by 1") == [
        (2, False, False, True, None, "See you"), (3, False, True, False, "", "See you"),
        (20, False, False, True, "Hey", "Adieu"),
    ]  # fmt: skip


def test_a_missing_row_has_its_absent_value_and_the_verifier_names_it(preferences: Shop) -> None:
    """The monolith cannot tell it from a row that says so; nor would it come back when the monolith owns again."""
    settled(preferences, preferences.backward,
            "delete from preference where user_id = 1 and channel = 'sms'; delete from phrase where owner_id = 1",
            "insert into preference_owner (user_id) values (30)", "insert into phrase values (30, 'bye', 'Ciao')",
            )  # fmt: skip
    shown = "select email_orders, sms_orders, hello, bye from notification_preferences where user_id = {}"
    assert preferences.on_monolith(shown.format(1)) == [(True, False, None, None)]
    assert preferences.on_monolith(shown.format(30)) == [(True, False, None, "Ciao")]
    with psycopg.connect(preferences.service) as service, psycopg.connect(preferences.monolith) as monolith:
        found = compare(service, monolith, IMAGE, Direction.TO_MONOLITH).differences
    assert "public.preference (user_id 1, channel sms, topic orders): surplus" in list(map(str, found))
    assert len(found) == 1 + 2 + 4 + 1


def test_a_row_whose_labels_or_owner_change_moves_between_columns(preferences: Shop) -> None:
    settled(
        preferences, preferences.backward,
        "delete from phrase where kind = 'bye'",
        "update phrase set kind = 'bye' where owner_id = 1",
        "update phrase set owner_id = 2, kind = 'bye' where owner_id = 3",
        "update preference_owner set user_id = user_id + 100; update preference set user_id = user_id + 100;"
        " update phrase set owner_id = owner_id + 100",
    )  # fmt: skip
    assert preferences.on_monolith("select user_id, hello, bye from notification_preferences order by 1") == [
        (101, None, "Hi"), (102, None, ""), (103, None, None)
    ]  # fmt: skip


def test_the_verifier_names_row_and_column_both_ways(preferences: Shop) -> None:
    preferences.on_monolith("update notification_preferences set email_sales = false where user_id = 2")
    preferences.on_service("delete from preference where user_id = 3 and channel = 'sms'")
    with psycopg.connect(preferences.monolith) as monolith, psycopg.connect(preferences.service) as service:
        forth = compare(monolith, service, IMAGE, chunk_rows=1)
        back = compare(service, monolith, IMAGE, Direction.TO_MONOLITH)
    assert list(map(str, forth.differences)) == [
        'public.preference (user_id 2, channel email, topic sales), enabled: source "false", target "true"',
        "public.preference (user_id 3, channel sms, topic orders): missing",
    ]
    assert list(map(str, back.differences)) == [
        'public.preference (user_id 2, channel email, topic sales), enabled: source "true", target "false"',
        "public.preference (user_id 3, channel sms, topic orders): surplus",
    ]


def test_a_row_with_unknown_labels_stops_the_stream(preferences: Shop) -> None:
    """Somebody has taken the CHECK away that the lens asks for."""
    preferences.on_service("alter table phrase drop constraint phrase_kind_check; set role owner;"
                           " insert into phrase values (1, 'thanks', 'No, thank you')")  # fmt: skip
    with pytest.raises(UnknownLabel, match=r"public\.phrase has labels \(kind\)"):
        Stream(preferences.backward).run(threading.Event())


# Any rows.

words = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
wide_rows = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans(), words, words), min_size=1, max_size=4
)
with_servers = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Carry = Callable[[Connection[Any], Connection[Any], Any], None]


INSERT = """
    insert into notification_preferences (user_id, email_orders, email_sales, sms_orders, "it's odd", hello, bye)
    values (%s, %s, %s, %s, %s, %s, %s)
"""


@pytest.fixture(scope="module")
def sides(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[Sides]:
    made = (
        monolith_server.create_database("pivot_rows_monolith"),
        services_server.create_database("pivot_rows_service"),
    )
    with psycopg.connect(made[0], autocommit=True) as monolith, psycopg.connect(made[1], autocommit=True) as service:
        monolith.execute(MONOLITH)
        service.execute(SERVICE)
        yield monolith, service


@pytest.mark.parametrize("carry", [by_copy, by_values])
@with_servers
@given(rows=wide_rows)
def test_any_rows_come_back_as_they_were(sides: Sides, carry: Carry, rows: list[tuple[Any, ...]]) -> None:
    monolith, service = sides
    monolith.execute("truncate notification_preferences")
    service.execute(EMPTY_SERVICE)
    for number, row in enumerate(rows):
        monolith.execute(INSERT, [number, *row])
    before = monolith.execute(MONOLITH_ROWS.encode()).fetchall()
    for projection in IMAGE:
        carry(monolith, service, projection)
    assert compare(monolith, service, IMAGE).differences == ()
    there = service.execute(SERVICE_ROWS.encode()).fetchall()
    monolith.execute("truncate notification_preferences")
    for projection in LENS.projections(Direction.TO_MONOLITH):
        carry(service, monolith, projection)
    assert monolith.execute(MONOLITH_ROWS.encode()).fetchall() == before
    service.execute(EMPTY_SERVICE)
    for projection in IMAGE:
        carry(monolith, service, projection)
    assert service.execute(SERVICE_ROWS.encode()).fetchall() == there
