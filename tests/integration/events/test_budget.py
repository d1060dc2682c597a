"""The monolith's disk comes first (I10): a slot that keeps too much WAL goes, and its stream comes back by itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from cdc import control
from cdc.capture import slots
from cdc.control import Phase
from cdc.outbox import install as outbox_install
from cdc.outbox import notes as outbox_notes
from cdc.outbox.notes import PublishedNotes
from migration_plan.configuration.plan import BudgetPlan
from migration_plan.lifecycle import Act, Side, Stage
from migration_plan.parts import Parts
from migration_plan.preflight import preflight
from migration_plan.sync import outboxes, preparation, steering
from migration_plan.sync.preparation import switch_facts
from migration_plan.sync.standing import halted
from tests.integration.events.conftest import event
from tests.integration.events.moving import Payments
from tests.integration.events.test_moving import payments, switch, sync
from tests.support.waiting import wait_until

__all__ = ["payments"]

BUDGET = BudgetPlan.model_validate({"wal": "24MB", "pause": "300ms"})
ORDERS = 'select id, state from "order" order by id'


@pytest.fixture
def tight(payments: Payments) -> Payments:
    """Payments whose slots may keep 24 MB, and that come back after a moment."""
    plans = tuple(plan.model_copy(update={"budget": BUDGET}) for plan in payments.parts.plans)
    by_domain = {plan.domain: plan for plan in plans}
    payments.all_parts = [replace(one, plan=by_domain[one.domain], plans=plans) for one in payments.all_parts]
    payments.parts = payments.all_parts[0]
    return payments


def fill(payments: Payments, side: Side, until: Callable[[], object], megabytes: int = 200) -> None:
    """Somebody else's writes on the server, with checkpoints as a busy server has them, until something is true."""
    with psycopg.connect(payments.dsns[side], autocommit=True) as connection:
        connection.execute("create table if not exists somebody (filler text)")
        connection.execute("alter table somebody alter filler set storage external")
        for _ in range(megabytes // 4):
            if until():
                return
            connection.execute("insert into somebody select repeat('x', 1000000) from generate_series(1, 4)")
            connection.execute("truncate somebody")
            connection.execute("checkpoint")
    wait_until(until, 10, "the slot is given up")


def slot_of(payments: Payments, side: Side, name: str) -> list[tuple[Any, ...]]:
    return payments.execute(side, f"select active from pg_replication_slots where slot_name = 'fig_{name}'")


def kept(payments: Payments, side: Side) -> int:
    """Bytes of WAL that the slots of this database keep; the server has slots of others, too."""
    what = "coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), 0)::bigint"
    query = f"select {what} from pg_replication_slots where database = current_database()"
    return int(payments.execute(side, query)[0][0])


def control_of(payments: Payments, side: Side, name: str) -> control.Control:
    with psycopg.connect(payments.dsns[side], autocommit=True) as connection:
        return control.read(connection, name)


def alarms(parts: Parts, name: str) -> list[str]:
    entries = parts.journal.entries(parts.domain, 200)
    found = [e.detail for e in entries if e.kind == "alarm"]
    return [detail["case"] for detail in found if name in (detail.get("stream"), detail.get("publisher"))]


def test_a_paused_stream_gives_its_slot_up_past_its_budget_and_comes_back_by_itself(tight: Payments) -> None:
    name, parts = "payments_to_service", tight.parts
    with tight.running():
        sync(tight)
        tight.execute(Side.MONOLITH, """insert into "order" values (1, 'new'), (2, 'new')""")
        wait_until(lambda: len(tight.execute(Side.SERVICE, ORDERS)) == 2, 10, "it streams")
        steering.pause(parts, steering.chosen(parts, "to_service"))
        wait_until(lambda: slot_of(tight, Side.MONOLITH, name) == [(False,)], 10, "paused: nobody reads from its slot")
        assert "paused by" in halted(parts)[name]
        tight.execute(Side.MONOLITH, """delete from "order" where id = 1; insert into "order" values (3, 'new')""")
        fill(tight, Side.MONOLITH, lambda: slot_of(tight, Side.MONOLITH, name) == [])
        wait_until(lambda: kept(tight, Side.MONOLITH) < BUDGET.wal, 10, "no slot of ours keeps more than it may")
        wait_until(lambda: "wal-budget" in alarms(parts, name), 5, "the alarm is in the journal")
        decided = control_of(tight, Side.MONOLITH, name)
        assert (decided.phase, decided.times, decided.code) == (Phase.GIVEN_UP, 1, "wal-budget")
        assert "its budget here is 25,165,824" in decided.reason
        assert len(tight.execute(Side.SERVICE, ORDERS)) == 2, "a person has paused it: it does not come back yet"
        steering.go_on(parts, steering.chosen(parts, "to_service"))
        wait_until(lambda: slot_of(tight, Side.MONOLITH, name) == [(True,)], 20, "it is back, by itself")
        tight.execute(Side.MONOLITH, """insert into "order" values (4, 'new')""")
        there = [(2, "new"), (3, "new"), (4, "new")]
        wait_until(lambda: tight.execute(Side.SERVICE, ORDERS) == there, 10, "nothing missing, nothing left over")
        wait_until(lambda: control_of(tight, Side.MONOLITH, name).times == 0, 10, "a steady time ends the row")
        assert halted(parts) == {}
    assert "stream-returned" in [entry.kind for entry in parts.journal.entries("payments", 50)]


def test_without_its_way_back_a_service_that_owns_is_not_rolled_back(
    tight: Payments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "PROBE_SECONDS", 0.3)
    name, parts = "payments_to_monolith", tight.parts
    tight.listen()
    with tight.running():
        sync(tight)
        tight.execute(Side.MONOLITH, """insert into "order" values (1, 'new'), (2, 'new')""")
        wait_until(lambda: len(tight.execute(Side.SERVICE, ORDERS)) == 2, 10, "it streams")
        moved = switch(tight)
        moved.run()
        parts.journal.set_stage("payments", Stage.SERVICE, moved.epoch + 1)
        steering.pause(parts, steering.chosen(parts, "to_monolith"))
        tight.execute(Side.SERVICE, """delete from "order" where id = 1; insert into "order" values (3, 'paid')""")
        fill(tight, Side.SERVICE, lambda: slot_of(tight, Side.SERVICE, name) == [])
        facts = switch_facts(parts, Side.SERVICE)
        refused = {r.code: r for r in preflight(parts.plan, Act.SWITCH, facts)}
        assert name in refused["stream-halted"].message
        assert refused["stream-halted"].next_step == "fig sync status payments"
        steering.go_on(parts, steering.chosen(parts, "to_monolith"))
        there = [(2, "new"), (3, "paid")]
        wait_until(lambda: tight.execute(Side.MONOLITH, ORDERS) == there, 20, "the monolith has the service's rows")
        wait_until(lambda: halted(parts) == {}, 10, "the way back is there")
        assert "stream-halted" not in {
            r.code for r in preflight(parts.plan, Act.SWITCH, switch_facts(parts, Side.SERVICE))
        }


def test_a_publisher_without_slot_loses_no_event_and_repeats_little(
    tight: Payments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody takes the events for a while. Those that were published before are not published again."""
    monkeypatch.setattr(outbox_notes, "EVERY", 0.0)
    name, early, late = "payments_outbox_monolith", [event() for _ in range(3)], [event() for _ in range(3)]
    noted = (
        "select bool_and(pg_visible_in_snapshot(fig.full_xid(t.xmin,"
        " pg_snapshot_xmax(pg_current_snapshot())::text::bigint), published))"
        f" from payments_outbox t, fig.outbox where name = '{name}'"
    )
    with tight.running():
        sync(tight)
        tight.listen()
        for one in early:
            tight.tell(Side.MONOLITH, one)
        heard: list[str] = []

        def have_come(number: int) -> bool:
            heard.extend(tight.heard())
            return len(heard) >= number

        wait_until(lambda: have_come(3), 10, "the first ones are published")
        wait_until(lambda: tight.execute(Side.MONOLITH, noted) == [(True,)], 10, "and that is written down")
        tight.ignore()
        for one in late:
            tight.tell(Side.MONOLITH, one)
        fill(tight, Side.MONOLITH, lambda: control_of(tight, Side.MONOLITH, name).times > 0)
        wait_until(lambda: "wal-budget" in alarms(tight.parts, name), 5, "the alarm is in the journal")
        tight.listen()
        wait_until(lambda: have_come(6), 30, "the others are published", every=0.1)
    assert heard == [one["id"] for one in (*early, *late)], "each of them, in order, and here even once"


def test_what_counts_as_published_is_only_what_was_committed_before_a_place_that_the_publisher_has_passed(
    payments: Payments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_notes, "EVERY", 0.0)
    spec = outboxes.of(payments.parts)[Side.MONOLITH]
    outbox_install.prepare(spec)
    early, late = event(), event()

    def repeated() -> set[str]:
        with psycopg.connect(spec.dsn) as connection:
            return {row[0] for row in outbox_install.rows(connection, spec)}

    with closing(PublishedNotes(spec)) as notes, psycopg.connect(payments.dsns[Side.MONOLITH]) as slow:
        payments.tell(Side.MONOLITH, early)
        tell = "insert into payments_outbox (id, type, payload) values (%s, 'late', '{}')"
        slow.execute(tell, [late["id"]])
        notes.note(0, 1)
        assert notes.waits_for is not None
        notes.note(notes.waits_for - 1, 1)
        assert repeated() == {early["id"]}, "the publisher has not passed the place"
        notes.note(notes.waits_for or 0, 1)
        assert repeated() == set()
        slow.commit()
        assert repeated() == {late["id"]}, "its transaction is the older one, and was committed later"


def test_a_slot_that_somebody_drops_comes_back_at_once_and_again_later_and_later(tight: Payments) -> None:
    name = "payments_to_service"
    with tight.running():
        sync(tight)
        for number in (1, 2):
            wait_until(lambda: slot_of(tight, Side.MONOLITH, name) == [(True,)], 20, "it streams")
            drop(tight, name)
            tight.execute(Side.MONOLITH, f"""insert into "order" values ({number}, 'new')""")
            wait_until(lambda: len(tight.execute(Side.SERVICE, ORDERS)) == number, 20, "its rows are there")  # noqa: B023
        assert alarms(tight.parts, name).count("slot-missing") == 2


def drop(payments: Payments, name: str) -> None:
    with psycopg.connect(payments.dsns[Side.MONOLITH], autocommit=True) as connection:
        slots.take_away(connection, f"fig_{name}")
