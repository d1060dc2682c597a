"""A whole move with exactly the grants of docs/managed-postgresql.md: sync, events told once, there and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from kombu import Connection

from migration_plan.lifecycle import Act, Side, Stage
from migration_plan.preflight import inspect, judge, notes
from migration_plan.sync import outboxes
from tests.integration.cdc.safety.test_managed import manage
from tests.integration.events.conftest import Broker, event
from tests.integration.events.moving import OTHER, QUEUE, TABLES, Payments, plan, without_proxies, write_settings
from tests.integration.events.test_moving import switch, sync
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until


@pytest.fixture
def managed(
    monolith_server: PostgresServer,
    services_server: PostgresServer,
    new_database: Callable[[PostgresServer], str],
    broker: Broker,
    tmp_path: Path,
) -> Iterator[Payments]:
    monolith, service, users = (new_database(s) for s in (monolith_server, services_server, services_server))
    as_monolith, as_service, as_users = manage(monolith, TABLES + OTHER), manage(service, TABLES), manage(users, OTHER)
    plans = [plan("payments", as_monolith, as_service), plan("users", as_monolith, as_users)]
    settings = write_settings(tmp_path, new_database(services_server), plans, broker.url)
    with Connection(broker.url) as connection:
        connection.default_channel.queue_delete(QUEUE)
        connection.default_channel.exchange_delete("payments.events")
    made = without_proxies(settings)
    yield Payments(made[0], made, broker, {Side.MONOLITH: monolith, Side.SERVICE: service}, settings)
    for parts in made:
        parts.close()
    for dsn in (monolith, service, users):
        drop_slots(dsn)


def same_rows(payments: Payments) -> bool:
    monolith, service = (payments.execute(side, "select id from payments_outbox order by 1") for side in Side)
    return monolith == service


def drop_slots(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots"
                      " where database = current_database() and active_pid is null")  # fmt: skip


def test_a_domain_moves_there_and_back_and_every_event_is_told_once(managed: Payments) -> None:
    found = inspect(managed.parts.plan)
    assert judge(managed.parts.plan, Act.START_SYNC, found) == []
    assert len([note for note in notes(found, managed.parts.plan) if "signed by a message" in note]) == 2
    told = [event() for _ in range(3)]
    managed.listen()
    with managed.running():
        sync(managed)
        managed.tell(Side.MONOLITH, told[0])
        wait_until(lambda: len(managed.execute(Side.SERVICE, "select 1 from payments_outbox")) == 1, 10, "it is there")
        assert set(outboxes.behind(managed.parts, 10).values()) == {""}
        for owner, stage, one in ((Side.SERVICE, Stage.SERVICE, told[1]), (Side.MONOLITH, Stage.SYNC, told[2])):
            moved = switch(managed)
            moved.run()
            managed.parts.journal.set_stage("payments", stage, moved.epoch + 1)
            managed.tell(owner, one)
            wait_until(lambda: same_rows(managed), 10, "both sides hold the same rows")
            assert set(outboxes.behind(managed.parts, 10).values()) == {""}
    assert managed.heard() == [one["id"] for one in told], "each once, by the side where it was first written"
