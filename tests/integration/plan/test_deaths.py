"""Whoever gives a command that acts in several places may die anywhere in it: one owner at most, nothing lost, somebody
finds out, and the same command brings the rest. What dies is a process, by SIGKILL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from migration_plan.ejecting import ejection
from migration_plan.errors import LeaseLost, StaleEpoch
from migration_plan.journal.half_done import ADOPTION, half_done, last_begun
from migration_plan.lifecycle import OWNER, Row, Side, Stage
from migration_plan.parts import read_rows
from migration_plan.recovering import adoption, leasing
from migration_plan.recovering.controller import Controller, Watch
from migration_plan.sync import acceptance
from tests.integration.cdc.stream.conftest import as_fig, execute
from tests.integration.plan.conftest import World
from tests.support.dying import killed_at
from tests.support.waiting import wait_until

GRANTS = "grant select, insert, update, delete, truncate on all tables in schema public to app"


def kill(world: World, checkpoint: str, act: str, *arguments: str) -> None:
    killed_at(checkpoint, act, world.environment, *arguments)
    # A dead holder's lease runs out after three seconds; nobody has to wait for them here.
    with world.journal() as journal:
        journal.execute("update fig.lease set until = clock_timestamp() - interval '1 second'")


def rows(world: World) -> dict[Side, Row]:
    with world.parts() as parts:
        return {side: row for side, row in read_rows(parts).items() if row is not None}


def owners(world: World) -> list[Side]:
    return [side for side, row in rows(world).items() if row.state == "owner"]


def takes_writes(world: World, side: Side, table: str = "parcel") -> bool:
    """Whether the fence is down; what is tried is rolled back."""
    with psycopg.connect(world.dsns[side]) as connection:
        try:
            connection.execute(f"insert into {table} values (1000000, 'x')".encode())
        except psycopg.Error as error:
            if error.sqlstate != "SF421":
                raise
            return False
        finally:
            connection.rollback()
    return True


def left_to_do(world: World) -> list[str]:
    with world.parts() as parts:
        return [command for _entry, command in half_done(parts.journal, "parcels")]


def comes_back_from_the_past(world: World, owner: Side) -> None:
    """As restored from a backup: the other side stood by at a later epoch than the owner knows of."""
    later = rows(world)[owner].epoch + 1
    execute(world.dsns[owner.other], "update fig.domain set epoch = %s where domain = 'parcels'", later)
    [seen] = world.json("status", "parcels")["domains"]
    assert seen["next_steps"] == ["fig resume parcels --owner monolith or service --reason …"]


WORST = ("other-fenced", "adopted")


@pytest.mark.parametrize(
    "checkpoint",
    [pytest.param(one, marks=[] if one in WORST else [pytest.mark.full]) for one in adoption.CHECKPOINTS],
)
def test_an_adoption_that_dies_leaves_one_owner_or_none_and_is_finished(world: World, checkpoint: str) -> None:
    if world.json("status", "parcels")["domains"][0]["stage"] == "monolith":
        world.bring_to(Stage.SYNC)
    [former] = owners(world)
    side = former.other
    comes_back_from_the_past(world, former)
    kill(world, checkpoint, "adopt", "parcels", str(side))
    expected = {"announced": [former], "other-fenced": []}.get(checkpoint, [side])
    assert owners(world) == [one for one in Side if takes_writes(world, one)] == expected
    if checkpoint == "adopted":
        with world.parts() as parts:
            Controller([parts])._look(Watch(parts))
            assert last_begun(parts.journal, "parcels", ADOPTION) is None, "the controller has brought the rest"
    # Once more is the same, whoever has finished it.
    for _ in range(2):
        done = world.json("resume", "parcels", "--owner", str(side), "--reason", "whoever typed it is dead")
        assert done["owner"] == side, done
    assert owners(world) == [one for one in Side if takes_writes(world, one)] == [side]
    epoch = rows(world)[side].epoch
    with world.parts() as parts:
        route = parts.proxies[0].routes()["parcels"]
        assert (route.owner, route.epoch) == (side, epoch)
        stage, known = parts.journal.stage_and_epoch("parcels")
        assert (OWNER[stage], known) == (side, epoch)
        said = [entry.epoch for entry in parts.journal.entries("parcels") if entry.kind == "adopted"]
        assert said.count(epoch) == 1
    [seen] = world.json("status", "parcels")["domains"]
    assert (seen["settled"], seen["owner"]) == (True, side)


def test_an_adoption_is_not_repeated_once_the_domain_has_moved_on(world: World) -> None:
    [owner] = owners(world)
    refused = world.json("resume", "parcels", "--owner", str(owner.other), "--reason", "no")
    assert refused["error"] == "nothing-to-adopt"
    execute(world.dsns[owner], "update fig.domain set epoch = epoch + 2 where domain = 'parcels'")
    assert world.json("resume", "parcels", "--owner", str(owner), "--reason", "no")["error"] == "nothing-to-adopt"
    with world.parts() as parts:
        Controller([parts])._look(Watch(parts))


def add_label(plan: dict[str, Any]) -> None:
    plan["tables"].append({"monolith": "public.label", "service": {"public.label": {"id": "id", "text": "text"}}})


def expect_that_a_side_without_its_row_is_not_enrolled_again(world: World) -> None:
    """It is restored, to before its domain came, after its row was read."""
    row = rows(world)[Side.SERVICE]

    def restore(at: str) -> None:
        if at == "announced":
            execute(world.dsns["service"], "delete from fig.domain")

    with world.parts() as parts:
        with pytest.raises(StaleEpoch):
            acceptance.accept(parts, print, restore)
        assert parts.sides[Side.SERVICE].row("parcels") is None
        parts.sides[Side.SERVICE].enroll("parcels", row.state, row.epoch, ["public.parcel"], 1.0)


def test_an_acceptance_that_dies_again_and_again_names_in_the_end_every_table_that_has_joined(world: World) -> None:
    world.bring_to(Stage.SYNC)
    for side in Side:
        ddl = f"set role owner; create table label (id bigint primary key, text text); {GRANTS}"
        execute(world.dsns[side], ddl)
    world.change_plan(add_label)
    expect_that_a_side_without_its_row_is_not_enrolled_again(world)
    fenced = False
    for number, checkpoint in enumerate(acceptance.CHECKPOINTS):
        kill(world, checkpoint, "accept", "parcels")
        fenced = fenced or checkpoint == "copy-fenced"
        assert takes_writes(world, Side.SERVICE, "label") is not fenced
        assert owners(world) == [Side.MONOLITH]
        execute(world.dsns["monolith"], "insert into label values (%s, 'meanwhile')", number)
        assert left_to_do(world) == ["fig sync accept parcels"]
    found = {one["code"]: one["next_step"] for one in world.json("doctor")["findings"]}
    assert found["half-done"] == "fig sync accept parcels"
    done = world.json("sync", "accept", "parcels", "--reason", "change 4711")
    assert done["new_tables"] == ["monolith: public.label", "service: public.label"]
    assert left_to_do(world) == []
    assert world.fig(*done["next_steps"][0].split()[1:]).returncode == 0
    execute(world.dsns["monolith"], "insert into label values (100, 'after')")
    wanted = "select * from label order by 1"
    both = lambda: execute(world.dsns["monolith"], wanted) == execute(world.dsns["service"], wanted)  # noqa: E731
    wait_until(both, 30, "both sides have all labels", every=0.1)
    assert world.json("sync", "accept", "parcels")["new_tables"] == [], "their rows are there"


UNTIL = "select until from fig.lease where domain = 'parcels'"


def somebody_is_at_work(world: World) -> None:
    taken = "update fig.lease set holder = 'somebody', until = clock_timestamp() + interval '1 hour'"
    execute(world.dsns["journal"], f"{taken} where domain = 'parcels'")


def nobody_is_at_work(world: World) -> None:
    execute(world.dsns["journal"], "update fig.lease set until = clock_timestamp() - interval '1 second'")


def ejecting(world: World, checkpoint: Callable[[str], None]) -> None:
    with world.parts() as parts:
        ejection.eject([parts], print, print, checkpoint)


def expect_that_an_eject_meets_nobody(world: World, patch: pytest.MonkeyPatch) -> None:
    """Whoever is at work is named; its own lease is kept up; and if it loses it all the same, it goes no further."""
    patch.setattr(leasing, "LEASE_SECONDS", 0.3)
    somebody_is_at_work(world)
    refused = world.json("eject", "--reason", "too early")
    assert (refused["error"], "somebody" in refused["message"]) == ("lease-held", True)
    assert left_to_do(world) == [], "it had not begun"
    nobody_is_at_work(world)

    def lose(at: str) -> None:
        if at == "announced":
            until = execute(world.dsns["journal"], UNTIL)
            wait_until(lambda: execute(world.dsns["journal"], UNTIL) > until, 10, "the lease is kept up", every=0.01)
            somebody_is_at_work(world)

    with pytest.raises(LeaseLost):
        ejecting(world, lose)
    assert left_to_do(world) == ["fig eject"]
    nobody_is_at_work(world)


def test_an_eject_meets_nobody_and_one_that_dies_again_and_again_removes_all_and_says_all_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last of this module: nothing of ours is left afterwards."""
    world.bring_to(Stage.MONOLITH)
    world.streams.end()
    name = "fig_parcels_to_service"  # As a stream leaves them that died when it was set up.
    with psycopg.connect(as_fig(world.dsns["monolith"]), autocommit=True) as connection:
        connection.execute(f"create publication {name}".encode())
        connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
    planned = world.json("eject", "--dry-run")["would_remove"]
    assert [one["kind"] for one in planned] == ["replication slot", "publication", "schema", "schema"]
    with monkeypatch.context() as patch:
        expect_that_an_eject_meets_nobody(world, patch)
    assert world.json("eject", "--dry-run")["would_remove"] == planned
    for checkpoint in ("announced", "removed replication slot", *["removed schema"] * 2):
        kill(world, checkpoint, "eject")
        assert left_to_do(world) == ["fig eject"]
    done = world.json("eject", "--reason", "we go")
    assert done["removed"] == planned
    with world.parts() as parts:
        entry = parts.journal.last("parcels", "ejected")
    assert entry is not None
    assert (entry.detail["traces"], entry.reason) == (planned, "we go")
    for side in Side:
        assert execute(world.dsns[side], "select 1 from pg_namespace where nspname = 'fig'") == []
        assert execute(world.dsns[side], "select 1 from pg_publication where pubname like 'fig%%'") == []
    assert left_to_do(world) == []
    assert world.json("eject")["removed"] == []
