"""Both sides' schemas are migrated while rows flow: the stream waits, the plan follows, one command lets it go on."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from migration_plan.lifecycle import Stage
from tests.integration.cdc.stream.conftest import execute
from tests.integration.plan.conftest import World
from tests.support.waiting import wait_until

GRANTS = "grant select, insert, update, delete, truncate on all tables in schema public to app"


def migrate(world: World, side: str, ddl: str) -> None:
    execute(world.dsns[side], f"set role owner; {ddl}; {GRANTS}")


def to_service(world: World) -> dict[str, Any]:
    streams: list[dict[str, Any]] = world.json("sync", "status", "parcels")["streams"]
    return next(one for one in streams if one["direction"] == "to_service")


def wait_until_same(world: World, monolith: str, service: str) -> None:
    wait_until(
        lambda: execute(world.dsns["monolith"], monolith) == execute(world.dsns["service"], service),
        30,
        "both sides have the same rows",
        every=0.1,
    )


def test_a_renamed_column_waits_for_the_plan_and_nothing_is_lost(world: World) -> None:
    world.bring_to(Stage.SYNC)
    migrate(world, "monolith", "alter table parcel rename place to town")
    execute(world.dsns["monolith"], "insert into parcel values (1, 'a')")
    wait_until(lambda: "column place is gone" in to_service(world)["reason"], 20, "the stream names it", every=0.2)
    assert "fig sync accept" in to_service(world)["next_step"]
    assert world.json("sync", "accept", "parcels")["error"] == "preflight-refused", "the plan does not fit yet"

    def follow(plan: dict[str, Any]) -> None:
        plan["tables"][0]["service"]["public.parcel"]["place"] = "town"

    world.change_plan(follow)
    execute(world.dsns["monolith"], "insert into parcel values (2, 'b')")
    assert world.json("sync", "accept", "parcels")["new_tables"] == []
    wait_until_same(world, "select id, town from parcel order by 1", "select id, place from parcel order by 1")


def test_a_table_joins_the_domain_with_its_fence_and_its_rows(world: World) -> None:
    world.bring_to(Stage.SYNC)
    for side in ("monolith", "service"):
        migrate(world, side, "create table label (id bigint primary key, text text)")
    execute(world.dsns["monolith"], "insert into label values (1, 'before')")
    world.change_plan(
        lambda plan: plan["tables"].append(
            {"monolith": "public.label", "service": {"public.label": {"id": "id", "text": "text"}}}
        )
    )
    found = world.json("sync", "accept", "parcels")
    assert found["new_tables"] == ["monolith: public.label", "service: public.label"]
    with pytest.raises(psycopg.Error, match="is not owned here"):
        execute(world.dsns["service"], "insert into label values (9, 'x')")
    assert world.fig(*found["next_steps"][0].split()[1:]).returncode == 0
    execute(world.dsns["monolith"], "insert into label values (2, 'after')")
    wait_until_same(world, "select * from label order by 1", "select * from label order by 1")


def test_a_table_that_leaves_the_plan_and_stays_is_refused_by_name(world: World) -> None:
    world.bring_to(Stage.SYNC)

    def leave(plan: dict[str, Any]) -> None:
        plan["tables"] = [one for one in plan["tables"] if one["monolith"] != "public.label"]

    world.change_plan(leave)
    found = world.json("sync", "accept", "parcels")
    assert found["error"] == "table-left-domain"
    for side in ("monolith", "service"):
        migrate(world, side, "drop table label")
    assert world.json("sync", "accept", "parcels")["new_tables"] == []
    execute(world.dsns["monolith"], "insert into parcel values (10, 'c')")
    columns = "select count(*) from parcel"
    wait_until_same(world, columns, columns)
