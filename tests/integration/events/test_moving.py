"""The outbox of a domain that moves: slots come and go with the sync, and a switch loses no event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from kombu import Connection

from migration_plan.configuration.documents import DocumentInvalid
from migration_plan.errors import SwitchAborted
from migration_plan.lifecycle import Act, Side, Stage
from migration_plan.moving.moves import find_move
from migration_plan.moving.steps import steps
from migration_plan.preflight import inspect, judge
from migration_plan.switching.switch import Switch
from migration_plan.sync import outboxes
from migration_plan.sync.preparation import start_sync, stop_sync
from tests.integration.cdc.stream.conftest import as_fig, make_side
from tests.integration.events.conftest import Broker, event
from tests.integration.events.moving import OTHER, QUEUE, TABLES, Payments, plan, without_proxies, write_settings
from tests.support.postgres import PostgresServer

LEASE = 30.0


@pytest.fixture
def payments(
    monolith_server: PostgresServer,
    services_server: PostgresServer,
    new_database: Callable[[PostgresServer], str],
    broker: Broker,
    tmp_path: Path,
) -> Iterator[Payments]:
    monolith, service, journal = (
        new_database(server) for server in (monolith_server, services_server, services_server)
    )
    users = new_database(services_server)
    make_side(monolith_server, monolith, TABLES + OTHER)
    make_side(services_server, service, TABLES)
    make_side(services_server, users, OTHER)
    plans = [plan("payments", as_fig(monolith), as_fig(service)), plan("users", as_fig(monolith), as_fig(users))]
    settings = write_settings(tmp_path, journal, plans, broker.url)
    with Connection(broker.url) as connection:
        connection.default_channel.queue_delete(QUEUE)
        connection.default_channel.exchange_delete("payments.events")
    made = without_proxies(settings)
    yield Payments(made[0], made, broker, {Side.MONOLITH: monolith, Side.SERVICE: service}, settings)
    for parts in made:
        parts.close()
    for dsn in (monolith, service):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("select pg_terminate_backend(active_pid), pg_drop_replication_slot(slot_name)"
                               " from pg_replication_slots where database = current_database()"
                               " and active_pid is null")  # fmt: skip


def sync(payments: Payments) -> None:
    lease = payments.parts.journal.acquire("payments", LEASE)
    start_sync(payments.parts, lease, lambda said: None)
    payments.parts.journal.give_back(lease)


def switch(payments: Payments, at: str = "", act: Callable[[], None] = lambda: None) -> Switch:
    """Ready to run; `act` is called at that checkpoint."""
    owner = next(row for side in Side if (row := payments.parts.sides[side].row("payments")) and row.state == "owner")
    lease = payments.parts.journal.acquire("payments", LEASE)
    return Switch(payments.parts, owner.side, owner.epoch, lease, lambda name: act() if name == at else None)


def test_slots_come_with_the_first_sync_and_go_with_the_last(payments: Payments) -> None:
    planned = {step.name: step.what for step in steps(find_move(payments.parts, True))}
    assert "payments_outbox_monolith, users_outbox_monolith, payments_outbox_service" in planned["prepare"]
    with payments.running():
        sync(payments)
        ours = ["fig_payments_outbox_monolith", "fig_users_outbox_monolith"]
        assert payments.slots(Side.MONOLITH) == ours
        assert payments.slots(Side.SERVICE) == ["fig_payments_outbox_service"]
        sync(payments)  # From any point where it died.
        payments.listen()
        told = event()
        payments.tell(Side.MONOLITH, told)
        stop_sync(payments.parts, lambda said: None)
    assert payments.heard() == [told["id"]], "published before its place in the log was given up"
    assert payments.slots(Side.MONOLITH) == payments.slots(Side.SERVICE) == []


def test_a_switch_waits_until_all_that_the_giver_told_is_with_the_broker(payments: Payments) -> None:
    """Nothing takes the event at first: the switch is taken back, in the drain's time, and the giver owns."""
    with payments.running():
        sync(payments)
        told = [event()]
        payments.tell(Side.MONOLITH, told[0])
        assert outboxes.behind(payments.parts, 0.2)["payments_outbox_monolith"].startswith("it has not published")
        with pytest.raises(SwitchAborted, match="payments_outbox_monolith did not bring its last events"):
            switch(payments).run()
        assert payments.parts.sides[Side.MONOLITH].row("payments").state == "owner"  # type: ignore[union-attr]
        payments.listen()
        assert set(outboxes.behind(payments.parts, 10).values()) == {""}
        told.append(event())
        with_broker: list[str] = []
        # Between hold and fence somebody who does not pass the proxy tells something more.
        moving = switch(payments, "after-requests", lambda: payments.tell(Side.MONOLITH, told[1]))
        moving.checkpoint = _also(moving.checkpoint, "after-drain", lambda: with_broker.extend(payments.heard()))
        moving.run()
        assert with_broker == [one["id"] for one in told]
        payments.parts.journal.set_stage("payments", Stage.SERVICE, moving.epoch + 1)
        told.append(event())
        payments.tell(Side.SERVICE, told[2])
        assert set(outboxes.behind(payments.parts, 10).values()) == {""}
        assert payments.heard() == [told[2]["id"]], "once, although both sides hold the row"
        kinds = [entry.kind for entry in payments.parts.journal.entries("payments", 20)]
        assert "published" in kinds
        drain = {step.name: step.what for step in steps(find_move(payments.parts, False))}["drain"]
        assert "payments_outbox_service" in drain


def _also(first: Callable[[str], None], at: str, act: Callable[[], None]) -> Callable[[str], None]:
    def checkpoint(name: str) -> None:
        first(name)
        if name == at:
            act()

    return checkpoint


def test_plans_that_tell_need_a_broker(tmp_path: Path) -> None:
    file = write_settings(tmp_path, "host=127.0.0.1", [plan("payments", "host=127.0.0.1 port=1", "port=2")], None)
    with pytest.raises(DocumentInvalid, match="need a broker"):
        without_proxies(file)


def test_an_outbox_without_the_columns_of_an_event_is_refused(payments: Payments) -> None:
    payments.execute(Side.SERVICE, "alter table payments_outbox alter payload type text")
    refusals = judge(payments.parts.plan, Act.START_SYNC, inspect(payments.parts.plan))
    found = {refusal.code: refusal.message for refusal in refusals}
    assert "lacks payload jsonb" in found["outbox-columns"]
