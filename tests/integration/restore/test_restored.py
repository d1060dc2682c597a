"""A side's database restored from a real backup while the domain is being moved: found by name, never gone on from."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from migration_plan.lifecycle import Stage
from tests.integration.cdc.stream.conftest import execute
from tests.integration.plan.conftest import World
from tests.integration.restore.conftest import (
    alarms,
    controller,
    refuses_writes,
    state,
    stream_states,
    wait_until_same,
    wait_until_streaming,
    write,
)
from tests.support.backups import base_backup, restore
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until


def test_a_monolith_restored_from_before_the_cutover_is_fenced_and_gets_the_owners_rows(
    world: World, monolith_server: PostgresServer, backups: Path
) -> None:
    world.bring_to(Stage.SYNC)
    write(world, "monolith", 1)
    backup = base_backup(monolith_server, backups / "monolith")
    world.bring_to(Stage.SERVICE)
    write(world, "service", 2, 3)
    wait_until_same(world)
    restore(monolith_server, backup)
    assert state(world, "monolith").startswith("owner"), "the backup says that the monolith owns"
    with controller(world):
        wait_until(lambda: refuses_writes(world, "monolith"), 10, "the monolith is fenced again")
        assert "two-owners" in alarms(world)
        write(world, "service", 4)
        wait_until_same(world)
        assert len(execute(world.dsns["monolith"], "select 1 from parcel")) == 4
        found = {"to_service": "waiting", "to_monolith": "streaming"}
        wait_until(lambda: stream_states(world) == found, 15, "the owner's stream is back, the other waits", every=0.2)
        assert world.fig("sync", "snapshot", "parcels", "--direction", "to_service").returncode == 0
        wait_until_streaming(world)
    assert world.json("status", "parcels")["domains"][0]["settled"] is True
    world.bring_to(Stage.MONOLITH)
    execute(world.dsns["monolith"], "truncate parcel")


@pytest.mark.full
def test_a_service_restored_from_before_the_cutover_leaves_nobody_and_a_person_says_who_goes_on(
    world: World, services_server: PostgresServer, backups: Path
) -> None:
    world.bring_to(Stage.SYNC)
    write(world, "monolith", 1)
    backup = base_backup(services_server, backups / "service")
    world.bring_to(Stage.SERVICE)
    write(world, "service", 2)
    wait_until_same(world)
    restore(services_server, backup)
    with controller(world):
        wait_until(lambda: "nobody" in alarms(world), 10, "the alarm rings")
        assert refuses_writes(world, "monolith")
        assert refuses_writes(world, "service")
        [seen] = world.json("status", "parcels")["domains"]
        assert seen["settled"] is False
        assert seen["next_steps"] == ["fig resume parcels --owner monolith or service --reason …"]
        assert world.fig("status", "parcels").returncode == 1
        assert world.json("advance", "parcels")["error"] == "unsettled"
        # The copy has everything that the service's database has lost.
        done = world.fig("resume", "parcels", "--owner", "monolith", "--reason", "the service was restored")
        assert done.returncode == 0, done.stderr
        write(world, "monolith", 3)
        wait_until(lambda: world.json("status", "parcels")["domains"][0]["settled"], 10, "at rest")
        wait_until_same(world)
        [follow] = world.json("sync", "status", "parcels")["next_steps"]
        assert follow == "fig sync snapshot parcels --direction to_monolith"
        assert world.fig(*follow.split()[1:]).returncode == 0
        wait_until_streaming(world)
        assert alarms(world).count("nobody") == 1, "it rings once, not at every look"
        assert len(execute(world.dsns["service"], "select 1 from parcel")) == 3
    world.bring_to(Stage.SERVICE)
    write(world, "service", 4)
    wait_until_same(world)


@pytest.mark.full
def test_an_owner_restored_from_an_earlier_time_of_owning_waits_for_a_person(
    world: World, services_server: PostgresServer, backups: Path
) -> None:
    """Only one row says owner, at an epoch that is over: a switch from it could never be granted."""
    world.bring_to(Stage.SERVICE)
    backup = base_backup(services_server, backups / "service")
    world.bring_to(Stage.SYNC)
    world.bring_to(Stage.SERVICE)
    write(world, "service", 10)
    wait_until_same(world)
    restore(services_server, backup)
    with controller(world):
        wait_until(lambda: "owner-restored" in alarms(world), 10, "the alarm rings")
        assert world.json("rollback", "parcels")["error"] == "unsettled"
        assert world.fig("resume", "parcels").returncode == 1
        assert world.json("resume", "parcels", "--owner", "service", "--reason", "accepted")["owner"] == "service"
        wait_until(lambda: world.json("status", "parcels")["domains"][0]["settled"], 10, "at rest")
        # Row 10 is only on the copy: nobody takes it away before a person has seen what is missing.
        wait_until(lambda: stream_states(world)["to_monolith"] == "waiting", 10, "the stream waits for a person")
        assert execute(world.dsns["monolith"], "select 1 from parcel where id = 10")
        for direction in ("to_monolith", "to_service"):
            assert world.fig("sync", "snapshot", "parcels", "--direction", direction).returncode == 0
        wait_until_same(world)
        wait_until_streaming(world)
    world.bring_to(Stage.SYNC)


class Died(BaseException):
    """As kill -9 does it: nobody takes anything back."""


def die_after_release(at: str) -> None:
    if at == "after-release":
        raise Died


def test_a_taker_that_has_lost_after_the_decision_what_it_had_applied_gets_all_rows_again_and_owns(
    world: World,
) -> None:
    """As after a failover without its last commits, between release and grant: nobody owns; its slot has gone on."""
    world.bring_to(Stage.CANARY)
    world.verify()
    service, position = world.dsns["service"], "from fig.position where stream = 'parcels_to_service'"
    [then] = execute(service, f"select lsn::text, marker::text {position}")
    write(world, "monolith", 50)
    wait_until_same(world)
    with world.mover(checkpoint=die_after_release) as mover, pytest.raises(Died):
        mover.move(forward=True)
    world.streams.end()
    with psycopg.connect(service) as past:  # Nothing of it goes back to the monolith.
        past.execute("set session_replication_role = replica")
        past.execute("select pg_replication_origin_session_setup('fig_parcels_to_service')")
        past.execute("delete from parcel where id = 50")
        change = "update fig.position set lsn = %s, marker = %s where stream = 'parcels_to_service'"
        past.execute(change, [*then])
    assert [state(world, side).split()[0] for side in ("monolith", "service")] == ["released", "standby"]
    world.streams.start()
    with controller(world):
        wait_until(lambda: state(world, "service").startswith("owner"), 30, "the service owns", every=0.1)
        assert execute(service, "select place from parcel where id = 50") == [("place 50",)]
        write(world, "service", 51)
        wait_until_same(world)
        wait_until_streaming(world)
    world.bring_to(Stage.SYNC)
