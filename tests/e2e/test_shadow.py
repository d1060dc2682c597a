"""The shop's catalog in stage shadow: a fault of its service is named before any user is shown it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.support.clients import Client
from tests.support.stack import PROJECT, Stack, running_stack
from tests.support.waiting import wait_until

# Its smaller sibling is tests/integration/plan/test_shadow_stage.py.
pytestmark = pytest.mark.full

PRODUCT = "/api/catalog/products/{id}"
LISTING = "/api/catalog/products"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The catalog alone, by a plan with the stage, and with a service that can be spoilt."""
    folder = tmp_path_factory.mktemp("shadow")
    plan = yaml.safe_load((PROJECT / "migration_plan/plans/catalog.yml").read_text())
    plan["stages"] = ["monolith", "sync", "shadow", "service", "retired"]
    plan["shadow"] |= {"sample": "100%", "rate": 50.0, "comparisons": 60, "mismatches": "5%"}
    (folder / "catalog.yml").write_text(yaml.safe_dump(plan, sort_keys=False))
    settings = yaml.safe_load((PROJECT / "fig.yml").read_text())
    settings["plans"] = [str(folder / "catalog.yml")]
    settings["static"] = [{"path": "/", "folder": str(PROJECT / "legacy_monolith/storefront")}]
    (folder / "fig.yml").write_text(yaml.safe_dump(settings, sort_keys=False))
    extra = {"FIG_CONFIG": str(folder / "fig.yml"), "CATALOG_RUNNER": "tests.contract.defects", "SHOP_USERS": "20",
             "SHOP_PRODUCTS": "60", "SHOP_ORDERS": "40"}  # fmt: skip
    yield from running_stack(extra, "rabbitmq", "nginx", "streams", "controller", "shadow")


def fig(stack: Stack, *arguments: str) -> dict[str, Any]:
    done = stack.fig(*arguments, "--json")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def spoil(stack: Stack, defect: str) -> None:
    for name in ("catalog-1", "catalog-2"):
        request = urllib.request.Request(f"http://127.0.0.1:{stack.ports[name]}/defect/{defect}", method="PUT")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 204


def read_until(stack: Stack, people: list[Client], enough: Any) -> dict[str, Any]:
    """People go on reading; returns the report that is enough."""
    found: dict[str, Any] = {}

    def go_on() -> bool:
        for turn in range(20):
            for person in people:
                assert person.get(f"{LISTING}?limit=5").status == 200
                assert person.get(f"{LISTING}/{turn + 1}").status in (200, 404)
        found.update(fig(stack, "shadow", "report", "catalog"))
        return bool(enough(found))

    wait_until(go_on, 120, "the comparer has seen enough")
    return found


def written(stack: Stack) -> list[tuple[Any, ...]]:
    """Rows that the statements of the service's own role have changed, so far."""
    query = "select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables where schemaname = 'public'"
    with psycopg.connect(stack.env["FIG_CATALOG_ADMIN_DSN"]) as connection:
        connection.execute("select pg_stat_force_next_flush()")
        return connection.execute(query).fetchall()


@pytest.fixture
def people(stack: Stack) -> Iterator[list[Client]]:
    url = stack.env["FIG_PUBLIC_URL"]
    visitor, seller = Client(url), Client(url)
    signup = {
        "email": "shadow.seller@example.org",
        "password": "correct horse",
        "name": "Rosalind Franklin",
        "role": "seller",
    }
    assert seller.post("/api/users/signup", signup).status == 201
    seller.csrf_token = seller.get("/api/users/csrf").json()["csrf_token"]
    draft = {
        "title": "Rosalind's lamp",
        "description": "call 0171 5550123",
        "category": "light",
        "price": "12.34",
        "stock": 5,
    }
    assert seller.post(LISTING, draft).status == 201
    yield [visitor, seller]
    for person in (visitor, seller):
        person.close()


@pytest.mark.timeout(600)
def test_a_planted_fault_is_named_no_user_sees_it_and_nothing_is_written(stack: Stack, people: list[Client]) -> None:
    assert fig(stack, "advance", "catalog", "--to", "sync")["stage"] == "sync"
    assert fig(stack, "verify", "catalog")["differences"] == []
    assert fig(stack, "advance", "catalog", "--to", "shadow")["stage"] == "shadow"
    before = written(stack)

    spoil(stack, "rounded-price")
    report = read_until(stack, people, lambda one: all(route["mismatches"] > 10 for route in one["routes"]))
    named = {(one["route"], one["path"]) for one in report["differences"]}
    assert named == {(LISTING, "items[].price"), (PRODUCT, "price")}
    shown = next(one for one in report["differences"] if one["path"] == "price")
    assert shown["monolith"] != shown["service"]
    assert float(json.loads(shown["service"])) == pytest.approx(float(json.loads(shown["monolith"])), abs=0.06)
    assert stack.fig("advance", "catalog").returncode != 0, "the gate is shut"
    assert "Rosalind" not in json.dumps(report)
    assert people[1].get(f"{LISTING}?limit=1").json()["items"][0]["price"] == "12.34", (
        "users have the monolith's answers"
    )

    spoil(stack, "")
    fig(stack, "shadow", "reset", "catalog", "--reason", "prices are right again")
    report = read_until(stack, people, lambda one: one["is_good"])
    assert report["differences"] == []
    assert report["next_steps"] == ["fig advance catalog"]
    assert written(stack) == before
    assert fig(stack, "verify", "catalog")["differences"] == []


def test_the_stack_kept_no_personal_value_and_no_secret_of_what_was_compared(stack: Stack) -> None:
    with psycopg.connect(stack.env["FIG_JOURNAL_DSN"]) as connection:
        rows = [
            str(row)
            for table in ("shadow_route", "shadow_field", "shadow_group", "shadow_example", "shadow_dropped")
            for row in connection.execute(f"select * from fig.{table}")
        ]
    logs = [path.read_text(errors="replace") for path in Path(stack.state).glob("logs/shadow*")]
    assert rows
    for text in (*rows, *logs):
        assert not any(secret in text for secret in ("Rosalind", "0171", "session=", "eyJ"))
