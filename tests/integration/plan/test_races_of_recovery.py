"""What only the model's search has found: two that act at once on a domain, and an answer that is lost on its way."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from cdc import control, servers
from cdc.capture import slots
from cdc.capture.losses import SourceBehind
from cdc.control import Event, Phase
from cdc.copying import refill
from cdc.projection import Table
from cdc.target.errors import GuardRefused
from migration_plan.errors import LeaseHeld, LeaseLost, SideUnreachable, StaleEpoch, SwitchAborted
from migration_plan.journal.journal import Journal, Lease
from migration_plan.lifecycle import Row, Side, Stage
from migration_plan.parts import Parts, read_rows
from migration_plan.recovering import diagnosis
from migration_plan.recovering.adoption import adopt
from migration_plan.recovering.controller import LEASE_SECONDS, recover
from migration_plan.recovering.recovery import Case
from migration_plan.sides.side import SideDatabase
from migration_plan.streaming import restarts
from migration_plan.streaming.restarts import How
from migration_plan.switching import switch
from migration_plan.sync import steering
from migration_plan.sync.streams import spec
from proxy.client import ProxyClient
from tests.integration.cdc.stream.conftest import execute
from tests.integration.plan.conftest import World
from tests.support.waiting import wait_until


def begin_intent(parts: Parts, switch: UUID) -> None:
    """As a controller does that has just begun and has fenced nothing yet."""
    owner = parts.sides[Side.MONOLITH].row(parts.domain)
    assert owner is not None
    parts.journal.record(
        parts.domain,
        "intent",
        owner.epoch + 1,
        switch,
        giver=Side.MONOLITH,
        taker=Side.SERVICE,
        owner_epoch=owner.epoch,
    )


def open_switch(parts: Parts) -> UUID | None:
    found = parts.journal.open_intent(parts.domain)
    return None if found is None else found.switch


def test_an_intent_that_is_newer_than_the_rows_that_were_read_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.bring_to(Stage.SYNC)
    switch = uuid4()

    def read_then_stand_still(parts: Parts) -> Mapping[Side, Row | None]:
        rows = read_rows(parts)
        begin_intent(parts, switch)  # Somebody else's, meanwhile.
        return rows

    with world.parts() as parts:
        before = parts.sides[Side.MONOLITH].row(parts.domain)
        monkeypatch.setattr(diagnosis, "read_rows", read_then_stand_still)
        assert recover(parts).settled
        assert parts.sides[Side.MONOLITH].row(parts.domain) == before
        assert open_switch(parts) == switch
        monkeypatch.undo()
        recover(parts)
        assert open_switch(parts) is None


def test_an_outcome_closes_the_intent_of_its_own_switch_alone(world: World) -> None:
    world.bring_to(Stage.SYNC)
    dead, living = uuid4(), uuid4()
    with world.parts() as parts:
        begin_intent(parts, dead)
        begin_intent(parts, living)
        parts.journal.record(parts.domain, "aborted", 1, dead)
        assert open_switch(parts) == living
        parts.journal.record(parts.domain, "aborted", 1, living)
        assert open_switch(parts) is None


def test_a_release_whose_answer_is_lost_is_a_release(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.bring_to(Stage.CANARY)
    world.verify()

    def release(side: SideDatabase, domain: str, epoch: int, lock: float) -> Row:
        original(side, domain, epoch, lock)
        raise SideUnreachable(side.side, "the connection was lost before the answer came")

    original = SideDatabase.release
    with world.mover() as mover:
        monkeypatch.setattr(SideDatabase, "release", release)
        last = max(entry.id for entry in mover.parts.journal.entries(mover.parts.domain))
        moved = mover.move(forward=True)
        assert moved.after is Stage.SERVICE
        rows = read_rows(mover.parts)
        assert [str(row.state) for row in rows.values() if row] == ["standby", "owner"]
        said = [entry.kind for entry in mover.parts.journal.entries(mover.parts.domain) if entry.id > last]
        assert "done" in said
        assert "aborted" not in said


def test_who_stood_still_longer_than_the_lease_lasts_says_that_it_was_taken_over(world: World) -> None:
    """Nothing is held or fenced by the one who comes back, and the owner stays."""
    world.bring_to(Stage.CANARY)
    world.verify()

    def stand_still(at: str) -> None:
        if at == "after-intent":
            with world.journal() as journal:
                journal.execute("update fig.lease set holder = 'somebody else', token = token + 1")

    with world.mover(checkpoint=stand_still) as mover:
        with pytest.raises(SwitchAborted) as aborted:
            mover.move(forward=True)
        assert isinstance(aborted.value.__cause__, LeaseLost)
        owner = mover.parts.sides[Side.MONOLITH].row(mover.parts.domain)
        assert owner is not None
        assert owner.state == "owner"
    with world.journal() as journal:
        journal.execute("delete from fig.lease")


def test_a_lease_that_was_given_back_while_somebody_asked_is_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.parts() as parts, world.parts() as others:
        others.journal.actor = "the other one"
        lease = others.journal.acquire(parts.domain, 30)
        with pytest.raises(LeaseHeld):
            parts.journal.acquire(parts.domain, 30)

        def too_late(domain: str, seconds: float) -> tuple[int | None, str, float]:
            others.journal.give_back(lease)
            monkeypatch.undo()
            return None, "the other one", -0.1

        monkeypatch.setattr(parts.journal, "_try_to_acquire", too_late)
        assert parts.journal.acquire(parts.domain, 30).token > lease.token


def test_a_write_that_does_not_end_is_waited_for_within_bounds_and_then_everybody_goes_on_as_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.bring_to(Stage.CANARY)
    world.verify()
    monkeypatch.setattr(ProxyClient, "inflight", lambda self, domain: 1)
    with world.mover() as mover:
        limits = mover.parts.plan.limits.model_copy(update={"patience": 0.5})
        mover.parts = replace(mover.parts, plan=mover.parts.plan.model_copy(update={"limits": limits}))
        before = mover.parts.sides[Side.MONOLITH].row(mover.parts.domain)
        with pytest.raises(SwitchAborted, match=r"write request\(s\) still in flight"):
            mover.move(forward=True)
        assert mover.parts.sides[Side.MONOLITH].row(mover.parts.domain) == before
        assert mover.parts.proxies[0].routes()[mover.parts.domain].hold is None
        assert mover.parts.journal.stage(mover.parts.domain) is Stage.CANARY


def test_a_drain_that_outlasts_the_lease_keeps_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan may allow for a drain of half a minute; nobody takes the domain over meanwhile."""
    world.bring_to(Stage.CANARY)
    world.verify()
    renewed: list[float] = []
    renew = Journal.renew

    def counted(journal: Journal, lease: Lease) -> bool:
        renewed.append(time.monotonic())
        return renew(journal, lease)

    def late(side: SideDatabase, epoch: int, stream: str, marker: str) -> bool:
        return time.monotonic() - began > 1.6 and original(side, epoch, stream, marker)

    original = SideDatabase.marker_applied
    with world.mover() as mover:
        limits = mover.parts.plan.limits.model_copy(update={"drain": 10.0})
        mover.parts = replace(mover.parts, plan=mover.parts.plan.model_copy(update={"limits": limits}))
        monkeypatch.setattr(Journal, "renew", counted)
        monkeypatch.setattr(SideDatabase, "marker_applied", late)
        monkeypatch.setattr(switch, "RENEW_EVERY", 0.5)
        began = time.monotonic()
        assert mover.move(forward=True).switch
    assert [at for at in renewed if at - began > 0.5], "renewed in the drain"


def test_a_look_at_everything_that_outlasts_the_lease_keeps_it(world: World) -> None:
    """Preflight of a large catalogue on a busy server may take longer than a lease lasts."""
    world.bring_to(Stage.CANARY)
    world.verify()

    def take_long(step: str) -> None:
        if step != "preflight":
            return
        with world.journal() as journal, world.parts() as others:
            others.journal.actor = "the other one"
            until = "select extract(epoch from until)::float8, holder from fig.lease where domain = %s"
            first, holder = journal.execute(until, [others.domain]).fetchone() or pytest.fail("nobody has the lease")

            def is_kept() -> bool:
                last, now = journal.execute(until, [others.domain]).fetchone() or (0.0, "")
                return now == holder and last > first + LEASE_SECONDS

            wait_until(is_kept, 3 * LEASE_SECONDS, "the lease is kept for longer than it lasts")
            with pytest.raises(LeaseHeld):
                others.journal.acquire(others.domain, LEASE_SECONDS)

    with world.mover(say=take_long) as mover:
        assert mover.move(forward=True).switch


def test_a_copy_asked_for_the_other_way_round_writes_nothing_on_a_side_that_gives_the_domain_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads while the service is fenced and the monolith has not caught up, and would write once it has released."""
    world.bring_to(Stage.SERVICE)
    with world.parts() as parts:
        service, asked = parts.sides[Side.SERVICE], spec(parts, Side.SERVICE)  # By whom the monolith was seen to own.
        owner = service.row(parts.domain)
        assert owner is not None
        back = steering.chosen(parts, "to_monolith")
        steering.pause(parts, back)
        active = "select 1 from pg_replication_slots where slot_name = 'fig_parcels_to_monolith' and active"
        wait_until(lambda: not execute(world.dsns["service"], active), 10, "the stream back stands still")
        execute(world.dsns["service"], "insert into parcel values (4711, 'acknowledged')")
        see = refill.see

        def see_and_give_back(reading: psycopg.Connection[Any], snapshot: str) -> None:
            see(reading, snapshot)
            service.release(parts.domain, owner.epoch + 1, 1.0)

        service.fence(parts.domain, owner.epoch, 1.0, [])
        monkeypatch.setattr(refill, "see", see_and_give_back)
        with pytest.raises(GuardRefused):
            refill.refill(asked, Table("public", "parcel"))
        steering.go_on(parts, back)
        assert recover(parts).case is Case.FINISH_GRANT
        for side in ("service", "monolith"):
            assert execute(world.dsns[side], "select place from parcel where id = 4711") == [("acknowledged",)]
    execute(world.dsns["monolith"], "delete from parcel")


@pytest.mark.parametrize("at", ["service: ", "monolith: "])
def test_of_two_persons_who_adopt_different_sides_at_most_one_is_heard(world: World, at: str) -> None:
    """The lease of the first has run out while it waited; the second one comes before, or between, its two steps."""
    world.bring_to(Stage.SERVICE)
    execute(world.dsns["service"], "update fig.domain set state = 'standby' where domain = 'parcels'")
    with world.parts() as parts, world.parts() as others:

        def come_between(said: str) -> None:
            if said.startswith(at):
                adopt(others, Side.SERVICE, lambda said: None)

        with pytest.raises(StaleEpoch):
            adopt(parts, Side.MONOLITH, come_between)
        assert {side: row.state for side, row in read_rows(parts).items() if row} == {
            Side.SERVICE: "owner", Side.MONOLITH: "standby",
        }  # fmt: skip


def test_a_stream_without_slot_is_not_copied_from_a_source_that_has_lost_writes_since(world: World) -> None:
    """Over its budget first, restored second: what decides is how the source is when the copy would be made."""
    world.bring_to(Stage.SERVICE)
    world.streams.end()
    try:
        with world.parts() as parts:
            stream, budget = spec(parts, Side.MONOLITH), parts.plan.budget.value
            with servers.connect(stream.source_dsn, "source", "test") as connection:
                control.move(connection, stream.name, Event.OVER_BUDGET, "wal-budget", "its slot keeps too much")
                slots.take_away(connection, stream.slot)
                heard = "insert into fig.heard values (%s, 4711) on conflict (stream) do update set beats = 4711"
                execute(world.dsns["monolith"], heard, stream.name)
                with pytest.raises(SourceBehind) as found:
                    restarts.bring_back(parts, Side.MONOLITH, stream, budget)
                restarts.note_loss(stream, budget, found.value)
                assert control.read(connection, stream.name).phase is Phase.WAITING
                control.move(connection, stream.name, Event.ASKED, control.ASKED, "a person has looked")
            assert restarts.bring_back(parts, Side.MONOLITH, stream, budget) is How.COPY
    finally:
        world.streams.start()
