"""The owner's server dies and a real standby takes its address; PostgreSQL 15 has lost its slots then."""

from __future__ import annotations

import pytest

from migration_plan.lifecycle import Stage
from tests.integration.cdc.stream.conftest import execute
from tests.integration.plan.conftest import World
from tests.integration.restore.conftest import (
    alarms,
    controller,
    state,
    stream_states,
    wait_until_same,
    wait_until_streaming,
    write,
)
from tests.integration.restore.test_restored import Died, die_after_release
from tests.support.backups import fail_over, standby_of, wait_for_standby
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until


@pytest.mark.full
def test_after_a_failover_without_loss_the_streams_come_back_by_themselves(
    world: World, monolith_server: PostgresServer
) -> None:
    world.bring_to(Stage.SYNC)
    write(world, "monolith", 1)
    standby = standby_of(monolith_server)
    write(world, "monolith", 2)
    wait_until_same(world)
    world.streams.end()  # What the slots still send does not reach anybody that the standby knows nothing of.
    write(world, "monolith", 3)
    wait_for_standby(monolith_server, standby)
    fail_over(monolith_server, standby)
    write(world, "monolith", 4)
    world.streams.start()
    with controller(world):
        wait_until_same(world)
        assert "source-promoted" in alarms(world)
        assert len(execute(world.dsns["service"], "select 1 from parcel")) == 4
        wait_until_streaming(world)
    world.bring_to(Stage.SERVICE)
    write(world, "service", 5)
    wait_until_same(world)


@pytest.mark.full
def test_what_an_owner_has_lost_in_a_failover_stays_on_the_copy_until_a_person_has_looked(
    world: World, services_server: PostgresServer
) -> None:
    world.bring_to(Stage.SERVICE)
    write(world, "service", 10)
    standby = standby_of(services_server)
    wait_for_standby(services_server, standby)
    standby.stop()  # It is asynchronous: the last writes are acknowledged without it.
    write(world, "service", 11)
    wait_until_same(world)
    fail_over(services_server, standby)
    with controller(world):
        wait_until(lambda: stream_states(world).get("to_monolith") == "waiting", 30, "it waits", every=0.2)
        # Whichever a stream met first: the standby before its promotion, or after it.
        assert {"source-behind", "source-lost-writes"} & set(alarms(world))
        assert world.json("rollback", "parcels")["error"] == "preflight-refused"
        assert execute(world.dsns["monolith"], "select 1 from parcel where id = 11"), "nobody has deleted it"
        for direction in ("to_monolith", "to_service"):
            assert world.fig("sync", "snapshot", "parcels", "--direction", direction).returncode == 0
        wait_until_same(world)
        wait_until_streaming(world)
    world.bring_to(Stage.SYNC)


@pytest.mark.full
def test_a_taker_that_fails_over_between_release_and_grant_owns_all_the_same(
    world: World, services_server: PostgresServer
) -> None:
    world.bring_to(Stage.CANARY)
    world.verify()
    write(world, "monolith", 60)
    standby = standby_of(services_server)
    wait_for_standby(services_server, standby)
    standby.stop()
    write(world, "monolith", 61)
    wait_until_same(world)
    with world.mover(checkpoint=die_after_release) as mover, pytest.raises(Died):
        mover.move(forward=True)
    fail_over(services_server, standby)
    with controller(world):
        wait_until(lambda: state(world, "service").startswith("owner"), 60, "the service owns", every=0.2)
        assert execute(world.dsns["service"], "select 1 from parcel where id = 61")
        # What the monolith has heard of the service's log goes further than that does now: were there rows in it?
        wait_until(lambda: stream_states(world)["to_monolith"] == "waiting", 30, "a person has to look", every=0.2)
        [follow] = world.json("sync", "status", "parcels")["next_steps"]
        assert follow == "fig sync snapshot parcels --direction to_monolith"
        assert world.fig(*follow.split()[1:]).returncode == 0
        write(world, "service", 62)
        wait_until_same(world)
        wait_until_streaming(world)
    world.bring_to(Stage.SYNC)
