"""What only the model's search has found: two that act at once on a domain, and an answer that is lost on its way."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid4

import pytest

from migration_plan import controller
from migration_plan.controller import recover
from migration_plan.errors import SideUnreachable
from migration_plan.lifecycle import Row, Side, Stage
from migration_plan.parts import Parts, read_rows
from migration_plan.side import SideDatabase
from tests.integration.plan.conftest import World


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
        monkeypatch.setattr(controller, "read_rows", read_then_stand_still)
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
