"""`fig canary` as a person and a program use it, on a domain with real databases and a real proxy."""

from __future__ import annotations

from migration_plan.canary import work
from migration_plan.exit_codes import Exit
from migration_plan.lifecycle import Stage
from tests.integration.plan.conftest import World


def test_a_canary_is_shown_set_frozen_and_let_go_on_with_the_next_command(world: World) -> None:
    world.bring_to(Stage.SYNC)
    outside = world.fig("canary", "parcels")
    assert outside.returncode == Exit.STAGE_REFUSED
    world.bring_to(Stage.CANARY)
    with world.parts() as parts:
        work.begin(parts)  # This world's own works only note that they were asked.
        try:
            shown = world.json("canary", "parcels")
            assert (shown["share"], shown["mode"], shown["next_steps"]) == (1, "running", ["fig canary parcels status"])
            assert {check["name"] for check in shown["checks"]} == {"errors", "refused", "p95", "p99", "lag"}
            assert world.json("canary", "parcels", "--to", "12.5%")["share"] == 12.5
            assert parts.proxies[0].routes()["parcels"].share == 1250
            frozen = world.json("canary", "parcels", "freeze")
            assert (frozen["mode"], frozen["next_steps"][-1]) == ("frozen", "fig canary parcels thaw")
            said = world.fig("canary", "parcels", "thaw")
            assert "12.5% of the users' reads from the service, running" in said.stdout
            assert "next: fig canary parcels status" in said.stdout
            [gate] = work.gates(parts)
            assert not gate.is_met
            assert gate.refusals
            for wrong in (["--to", "12"], ["--to", "101%"], ["freeze", "--to", "1%"], ["stop"]):
                assert world.fig("canary", "parcels", *wrong).returncode == Exit.NOT_MEANT
            assert parts.proxies[0].routes()["parcels"].share == 1250
        finally:
            work.end(parts)
        assert parts.proxies[0].routes()["parcels"].share == 0
