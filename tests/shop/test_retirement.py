"""The monolith's end: all four domains at their services, its processes stopped, one domain after the other retired."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import psycopg
import pytest

from migration_plan.lifecycle import Side
from tests.shop.owners import DOMAINS, Owners
from tests.support.clients import Client
from tests.support.stack import Stack, running_stack
from tests.support.waiting import wait_until

# A stack of its own, for nothing comes back from there: for `make proof`.
pytestmark = pytest.mark.full

ORDER = ("payments", "notifications", "catalog", "users")
"""Nobody is retired before those whose tables refer to theirs."""
MONOLITH = ("monolith", "monolith-jobs", "monolith-sending", "monolith-events")
SOON = {"FIG_RETIRE_AFTER": "2s"}
SIZE = {"SHOP_MONEY": "on", "SHOP_USERS": "20", "SHOP_PRODUCTS": "60", "SHOP_ORDERS": "40"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    yield from running_stack(SIZE)


@pytest.fixture(scope="module")
def moved(stack: Stack) -> Stack:
    """Everything runs at the services, and the monolith's processes are stopped."""
    Owners(stack).divide(DOMAINS)
    assert stack.fig("stop", *MONOLITH).returncode == 0
    return stack


def advance(stack: Stack, domain: str) -> tuple[int, dict[str, str]]:
    """Exit code, and what is refused: code -> message."""
    done = stack.fig("advance", domain, "--json", environment=SOON)
    assert done.returncode in (0, 4), done.stdout + done.stderr
    return done.returncode, {one["code"]: one["message"] for one in json.loads(done.stdout).get("refusals", ())}


def slots_and_publications(stack: Stack, side: str) -> set[str]:
    query = "select slot_name from pg_replication_slots union all select pubname from pg_publication"
    with psycopg.connect(stack.env[f"FIG_{side}_ADMIN_DSN"], autocommit=True) as connection:
        return {str(name) for (name,) in connection.execute(query).fetchall() if str(name).startswith("fig_")}


def test_a_table_that_a_living_one_refers_to_is_not_given_up(moved: Stack) -> None:
    code, refusals = advance(moved, "users")
    assert code == 4
    assert "read-by-foreign-key" in refusals, refusals


@pytest.mark.parametrize("domain", ORDER)
def test_each_domain_is_retired_once_nobody_used_it_long_enough(moved: Stack, domain: str) -> None:
    seen: list[Mapping[str, str]] = []

    def retired() -> bool:
        code, refusals = advance(moved, domain)
        seen.append(refusals)
        return code == 0

    wait_until(retired, 60, f"{domain} retired; refused with {seen[-3:]}", every=0.5)
    assert set(seen[0]) == {"too-early"}, "the first look only begins the time"
    mine = {name for side in ("MONOLITH", domain.upper()) for name in slots_and_publications(moved, side)}
    # What the service tells, it goes on telling.
    assert {name for name in mine if name.startswith(f"fig_{domain}")} <= {
        f"fig_{domain}_outbox_{Side.SERVICE}", f"fig_{domain}-outbox"
    }  # fmt: skip


def test_then_nothing_of_ours_is_left_in_the_log_of_the_monoliths_database(moved: Stack) -> None:
    assert slots_and_publications(moved, "MONOLITH") == set()


def test_and_the_shop_goes_on(moved: Stack) -> None:
    client = Client(moved.env["FIG_PUBLIC_URL"])
    for path in ("/api/catalog/products", "/api/users/csrf", "/api/payments/config"):
        assert client.get(path).status == 200, path
    client.close()
