"""A domain's last step: refused while anybody uses the monolith's side, and final once nobody does."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from migration_plan.lifecycle import Side
from tests.load.moving import Moving
from tests.support.clients import Client
from tests.support.faults import Controller
from tests.support.stack import CATALOG_ONLY, PROJECT, Stack, running_stack
from tests.support.waiting import wait_until

# Two minutes of waiting for proofs: for `make proof`.
pytestmark = pytest.mark.full

AFTER = 3.0
"""Seconds for which nobody may have used the monolith's side."""

# One transaction that changes several rows of one table, so that the stream's own reads are many.
SALE = "update inventory set available = available + 1; update product set version = version + 1 where id <= 3"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Of its own: once its catalog is retired, nobody else could move it any more."""
    yield from running_stack(None, *CATALOG_ONLY)


@pytest.fixture(scope="module")
def moved(stack: Stack) -> Stack:
    """The catalog has moved and runs at its service."""
    moving = Moving(stack)
    moving.begin_sync()
    moving.give_to(Side.SERVICE)
    return stack


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """For commands: settings as they are once no route of the monolith reads the catalog any more."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "catalog.yml").write_text(
        (PROJECT / "migration_plan/plans/catalog.yml").read_text().replace("read_by: [/api/payments]", "read_by: []")
    )
    settings = (PROJECT / "fig.yml").read_text()
    (folder / "fig.yml").write_text(settings[: settings.index("\nplans:")] + "\nplans: [catalog.yml]\n")
    return {"FIG_CONFIG": str(folder / "fig.yml"), "FIG_RETIRE_AFTER": f"{AFTER:g}s"}


def on(stack: Stack, side: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(stack.env[f"FIG_{side}_ADMIN_DSN"], autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def refusals(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Code and message of each reason."""
    assert done.returncode == 4, done.stdout + done.stderr
    return {one["code"]: one["message"] for one in json.loads(done.stdout)["refusals"]}


def advance(stack: Stack, alone: dict[str, str]) -> dict[str, str]:
    return refusals(stack.fig("advance", "catalog", "--json", environment=alone))


def slots(stack: Stack) -> list[tuple[Any, ...]]:
    query = "select slot_name from pg_replication_slots where slot_name like 'fig_catalog_to_%'"
    return on(stack, "MONOLITH", query) + on(stack, "CATALOG", query)


def stage(stack: Stack) -> str:
    with psycopg.connect(stack.env["FIG_JOURNAL_DSN"]) as journal:
        row = journal.execute("select stage from fig.stage where domain = 'catalog'").fetchone()
    return str(row and row[0])


def killed_at(checkpoint: str, environment: dict[str, str]) -> None:
    controller = Controller.start(environment, "catalog", True, checkpoint)
    try:
        controller.wait_until_struck()
    finally:
        controller.end()


def test_whatever_could_still_read_is_named(moved: Stack) -> None:
    stack = moved
    on(stack, "MONOLITH", "create view cheap as select id from products where price < 1;"
                          "create function dear() returns bigint language sql as"
                          " $$ select count(*) from public.products where price > 100 $$")  # fmt: skip
    found = stack.fig("advance", "catalog", "--json")
    named = found.stdout
    assert {"read-by-foreign-key", "read-by-view", "read-by-function", "read-by-route"} == set(refusals(found))
    for name in ("cart_items_product_id_fkey", "order_lines_product_id_fkey", "view cheap", "dear()", "/api/payments"):
        assert name in named
    on(stack, "MONOLITH", "drop function dear(); drop view cheap; alter table cart_items drop constraint"
       " cart_items_product_id_fkey; alter table order_lines drop constraint order_lines_product_id_fkey")  # fmt: skip


def test_each_sign_of_life_begins_the_time_again(moved: Stack, alone: dict[str, str]) -> None:
    stack, alone = moved, alone | {"FIG_RETIRE_AFTER": "1h"}
    assert "watched from now on" in advance(stack, alone)["too-early"]
    on(stack, "CATALOG", SALE)
    assert stack.fig("verify", "catalog").returncode == 0
    assert set(advance(stack, alone)) == {"too-early"}, "what fig itself has read is no sign of life"
    on(stack, "MONOLITH", "select count(*) from products")
    assert "public.products was read 1 time" in advance(stack, alone)["reads-seen"]
    with pytest.raises(psycopg.Error, match="not owned here"):
        on(stack, "MONOLITH", "update products set price = 1")
    assert "1 write(s) were tried" in advance(stack, alone)["writes-seen"]
    stack.kill("nginx")
    stack.wait_until_healthy("nginx")
    assert "proxy local began anew" in advance(stack, alone)["counting-began-anew"]


def test_a_controller_that_dies_leaves_the_domain_in_service_or_retired(moved: Stack, alone: dict[str, str]) -> None:
    stack, environment = moved, moved.env | alone
    done = stack.fig("advance", "catalog", "--dry-run", "--json", environment=alone)
    steps = [step["name"] for step in json.loads(done.stdout)["steps"]]
    assert steps == ["preflight", "observe", "epoch", "retired", "streams", "list"]
    killed_at("void", environment)
    assert stage(stack) == "service"
    assert len(slots(stack)) == 2
    # Meanwhile rows flow both ways still; the stack's own controller has nothing to repair.
    on(stack, "CATALOG", SALE)
    began = time.monotonic()
    killed_at("decided", environment)
    assert time.monotonic() - began > AFTER, "another epoch needs a time of its own"
    resumed = json.loads(stack.fig("resume", "catalog", "--json").stdout)
    assert (resumed["case"], stage(stack)) == ("rest", "retired")
    assert not {one["name"] for one in resumed["leftovers"]} & {"cart_items_product_id_fkey"}, "it is not there"
    listed = {(one["kind"], one["name"]) for one in resumed["leftovers"]}
    assert {("table", "public.products"), ("sequence", "public.products_id_seq"), ("route", "/api/catalog")} <= listed
    wait_until(lambda: slots(stack) == [], 10, "both slots are gone")


def test_there_is_no_way_back_and_the_shop_goes_on(moved: Stack) -> None:
    stack = moved
    refused = stack.fig("rollback", "catalog")
    assert (refused.returncode, "a way back would lose them" in refused.stderr) == (3, True), refused.stderr
    assert "nothing to compare" in stack.fig("verify", "catalog").stderr
    assert stack.fig("advance", "catalog").returncode == 3
    with pytest.raises(psycopg.Error, match="not owned here"):
        on(stack, "MONOLITH", "delete from stock_movements")
    client = Client(stack.env["FIG_PUBLIC_URL"])
    assert client.get("/api/catalog/products").status == 200
    client.close()
