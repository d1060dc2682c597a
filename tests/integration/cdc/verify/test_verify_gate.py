"""The gate gets an exact pair or says why not, and never holds a stream longer than it may."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from cdc.copying import snapshot
from cdc.errors import GateError
from cdc.gate.exact import exact_pair
from cdc.gate.exchange import HOLD_SECONDS, Exchange, request_channel
from tests.integration.cdc.lens.shop import SEED, Shop, create_shop, execute, streaming, wait_until_caught_up
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def shop(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[Shop]:
    made = create_shop(monolith_server, services_server)
    made.on_monolith(SEED.format(products=20))
    snapshot.copy(made.forward)
    yield made
    made.remove_streams()


def test_both_snapshots_stay_at_one_moment_while_rows_go_on(shop: Shop) -> None:
    titles = "select 'x' || title from {} order by id"
    with streaming(shop.forward):
        wait_until_caught_up(shop.forward)
        with exact_pair(shop.monolith, shop.service, shop.forward.name) as pair:
            shop.on_monolith("update products set title = title || '!'")
            wait_until_caught_up(shop.forward)
            source = pair.source.execute(titles.format("products").encode()).fetchall()
            assert pair.target.execute(titles.format("product").encode()).fetchall() == source
            assert shop.on_service(titles.format("product")) != source


def test_an_idle_stream_reaches_the_point(shop: Shop) -> None:
    """Neither writers nor heartbeats."""
    quiet = replace(shop.forward, heartbeat=0)
    with streaming(quiet), exact_pair(shop.monolith, shop.service, quiet.name, patience=10) as pair:
        assert pair.held < HOLD_SECONDS


def test_the_pair_can_only_be_read(shop: Shop) -> None:
    with streaming(shop.forward), exact_pair(shop.monolith, shop.service, shop.forward.name) as pair:
        for connection in (pair.source, pair.target):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("create table t (x int)")


def test_a_stream_that_does_not_run_is_named(shop: Shop) -> None:
    with (
        pytest.raises(GateError, match="stream catalog_to_service has not answered") as refusal,
        exact_pair(shop.monolith, shop.service, shop.forward.name, patience=0.5),
    ):
        pass
    assert "fig status" in refusal.value.next_step


@pytest.mark.parametrize("prepared", [False, True])
def test_a_transaction_that_keeps_the_snapshot_away_is_named_and_the_stream_goes_on(shop: Shop, prepared: bool) -> None:
    with streaming(shop.forward), psycopg.connect(shop.monolith, application_name="a long report") as blocker:
        wait_until_caught_up(shop.forward)
        blocker.execute("update products set stock = stock + 1 where id = 1")
        if prepared:
            blocker.execute("prepare transaction 'half done'")
        expected = "prepared transaction 'half done' of fig" if prepared else "a long report, user fig"
        try:
            with (
                pytest.raises(GateError, match=expected),
                exact_pair(shop.monolith, shop.service, shop.forward.name),
            ):
                pass
            shop.on_monolith("update products set title = 'goes on' where id = 2")
            wait_until_caught_up(shop.forward)
        finally:
            if prepared:
                shop.on_monolith("rollback prepared 'half done'")
            blocker.rollback()
    no_slots = "select slot_name from pg_replication_slots where slot_name like 'fig_verify_%'"
    wait_until(lambda: shop.on_monolith(no_slots) == [], 5, "the temporary slot is gone")


def notify(shop: Shop, **request: str) -> None:
    channel = request_channel(shop.forward.name)
    execute(shop.service, f"select pg_notify('{channel}', '{json.dumps(request)}')")


def test_a_verifier_that_fails_lets_the_stream_go_at_once(shop: Shop) -> None:
    with (
        streaming(shop.forward),
        psycopg.connect(shop.monolith) as blocker,
        psycopg.connect(shop.service, autocommit=True) as listener,
    ):
        wait_until_caught_up(shop.forward)
        listener.execute(f'listen "{request_channel(shop.forward.name)}"'.encode())
        blocker.execute("update products set stock = stock + 1 where id = 1")
        with pytest.raises(GateError), exact_pair(shop.monolith, shop.service, shop.forward.name):
            pass
        said = [json.loads(notice.payload)["do"] for notice in listener.notifies(timeout=10, stop_after=2)]
        assert said == ["hold", "done"]


def test_a_verifier_that_dies_holds_the_stream_for_seconds_only(shop: Shop) -> None:
    with streaming(shop.forward), Exchange(shop.service, shop.forward.name) as dying:
        wait_until_caught_up(shop.forward)
        began = time.monotonic()
        dying.hold(patience=30)
        shop.on_monolith("update products set title = 'held ' || id")
        wait_until_caught_up(shop.forward)
        assert time.monotonic() - began > 0.9 * HOLD_SECONDS


def test_two_verifications_at_once_get_their_pairs_or_a_refusal(shop: Shop) -> None:
    with streaming(shop.forward), exact_pair(shop.monolith, shop.service, shop.forward.name) as first:
        with exact_pair(shop.monolith, shop.service, shop.forward.name) as second:
            assert first.lsn != second.lsn
        notify(shop, id=uuid4().hex, do="hold")
        with pytest.raises(GateError, match="refuses"), exact_pair(shop.monolith, shop.service, shop.forward.name):
            pass


def test_a_pair_leaves_nothing_behind(shop: Shop) -> None:
    ours = "select pid from pg_stat_activity where application_name = 'fig-verify'"
    with streaming(shop.forward):
        with exact_pair(shop.monolith, shop.service, shop.forward.name):
            assert shop.on_monolith(ours)
        exporting = "select 1 from pg_stat_activity where state = 'idle in transaction' and usename = 'fig'"
        for look in (shop.on_monolith, shop.on_service):
            wait_until(lambda look=look: look(ours) + look(exporting) == [], 5, "no session is left")  # type: ignore[misc]
