"""What an operator reads: status, plan, dry run, help; JSON says what to type next, the exit code what it was."""

from __future__ import annotations

import pytest
import yaml

from migration_plan.cli import main
from migration_plan.exit_codes import MEANINGS, Exit
from migration_plan.lifecycle import TRANSITIONS, Stage
from migration_plan.terminal import commands
from tests.integration.cdc.stream.conftest import execute
from tests.integration.plan.conftest import World
from tests.support.waiting import wait_until


def test_status_of_a_domain_shows_stage_owner_epoch_gates_and_the_next_command(world: World) -> None:
    world.bring_to(Stage.SYNC)
    [found] = world.json("status", "parcels")["domains"]
    assert (found["stage"], found["owner"], found["settled"]) == ("sync", "monolith", True)
    assert found["epoch"] > 0
    gates = {gate["name"]: gate for gate in found["gates"]}
    assert [name for name, gate in gates.items() if not gate["is_met"]] == ["verification-age"]
    assert found["next_steps"] == ["fig verify parcels"]
    assert (gates["verification-age"]["figure"], gates["verification-age"]["limit"]) == ("never", "1 h")


def test_plan_show_marks_the_place_on_the_plans_way_and_lists_its_tables(world: World) -> None:
    world.bring_to(Stage.SYNC)
    said = world.fig("plan", "show", "parcels")
    assert said.returncode == Exit.OK, said.stderr
    assert "monolith > [sync] > shadow > canary > service > retired" in said.stdout
    assert "service public.parcel" in said.stdout
    assert all(f"{now:>9} -> {after}" in said.stdout for now, after in TRANSITIONS)
    shown = world.json("plan", "show", "parcels")
    assert shown["tables"] == ["monolith public.parcel", "service public.parcel"]
    assert shown["next_steps"]


def test_a_dry_run_of_what_is_refused_says_every_reason_and_ends_as_the_act_would(world: World) -> None:
    world.bring_to(Stage.SYNC)
    said = world.fig("rollback", "parcels", "--dry-run")
    assert (said.returncode, "dismiss" in said.stdout) == (Exit.OK, True), said.stderr
    said = world.fig("status", "parcels")
    assert "gate verification-age" in said.stdout
    assert "is shut" in said.stdout


def test_the_exit_codes_are_printed_from_their_table(world: World) -> None:
    said = world.fig("help", "exit-codes").stdout
    assert all(meaning in said for meaning in MEANINGS.values())


def test_the_journal_says_what_to_type_for_a_stream_whose_source_was_rebuilt_and_that_brings_it_back(
    world: World,
) -> None:
    """As if another cluster answered under the monolith's address."""
    world.bring_to(Stage.SYNC)
    world.streams.end()
    execute(world.dsns["service"], "update fig.position set system_id = '1' where stream = 'parcels_to_service'")
    world.streams.start()
    told = "select detail ->> 'next_step' from fig.journal where detail ->> 'case' = 'source-rebuilt'"
    wait_until(lambda: execute(world.dsns["journal"], told), 20, "the alarm rings", every=0.1)
    [(step,)] = execute(world.dsns["journal"], told)
    looked, _, command = step.partition("; then ")
    assert looked == "see whether the service side has rows that the monolith side has lost"
    assert world.fig(*command.split()[1:]).returncode == Exit.OK, command
    wait_until(lambda: world.json("sync", "status", "parcels")["well"], 20, "the stream runs again", every=0.2)
    execute(world.dsns["monolith"], "insert into parcel values (4711, 'afterwards')")
    arrived = "select 1 from parcel where id = 4711"
    wait_until(lambda: execute(world.dsns["service"], arrived), 20, "rows come again", every=0.1)


def test_every_command_but_daemons_logs_and_tables_has_json() -> None:
    options = {words: [name for one in command.params for name in one.opts] for words, command in commands(main)}
    without = {words for words, names in options.items() if "--json" not in names}
    assert without == {"console run", "controller", "help exit-codes", "help life", "logs", "shadow run", "streams"}


@pytest.fixture
def bodies_of_1_mb(world: World):
    said = world.settings.read_text()
    world.settings.write_text(yaml.safe_dump({**yaml.safe_load(said), "requests": {"largest_body": "1MB"}}))
    yield
    world.settings.write_text(said)


def test_a_changed_setting_is_put_into_effect_and_the_live_routes_are_read_back(world: World, bodies_of_1_mb) -> None:
    with world.parts() as parts:
        [proxy] = parts.proxies
        route = proxy.set_route("parcels", proxy.routes()["parcels"].epoch + 2, "service")
    written = world.settings.parent / "nginx" / "conf" / "nginx.conf"
    assert "client_max_body_size 67108864;" in written.read_text()
    found = world.json("proxies", "reload", "local")
    assert found == {"proxies": {"local": {"parcels": route.epoch}}, "next_steps": ["fig status"]}
    assert "client_max_body_size 1048576;" in written.read_text()
    assert world.fig("proxies", "reload").stdout.splitlines()[0] == f"local: parcels at epoch {route.epoch}"


def test_a_proxy_that_is_not_in_the_settings_is_refused_by_name(world: World) -> None:
    said = world.fig("proxies", "reload", "local", "east")
    assert said.returncode != Exit.OK
    assert 'fig.yml names no proxy "east"; there are: local' in said.stderr
