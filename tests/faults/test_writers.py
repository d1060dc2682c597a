"""Writers that do not pass the proxy, and transactions in the way: refused or noticed by name, never felt by others."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from migration_plan.errors import PreflightRefused
from migration_plan.lifecycle import Side
from tests.faults.arena import Arena
from tests.load.figures import percentile
from tests.support.history import Act
from tests.support.stack import Stack
from tests.support.waiting import wait_until

LONG_SECONDS = 10.0
WRITES = (Act.CREATE, Act.EDIT, Act.WITHDRAW, Act.STOCK, Act.CHECKOUT, Act.CANCEL)
REFUSED = "SF421"
# What rogue writers try, on the side that does not own: (side, role that may write there, statement).
ROGUE = {
    "psql": "update {products} set title = 'mine' where id = (select max(id) from {products})",
    "an update of no row": "update {products} set title = 'mine' where false",
    "an insert": "insert into {movements} (product_id, delta, {reason}, request_key)"
    " values (1, 1, 'adjustment', gen_random_uuid())",
    "a delete": "delete from {movements} where false",
    "truncate": "truncate {movements}",
}
NAMES = {
    Side.MONOLITH: {"products": "products", "movements": "stock_movements", "reason": "reason"},
    Side.SERVICE: {"products": "product", "movements": "movement", "reason": "kind"},
}


@pytest.fixture(scope="module")
def arena(stack: Stack) -> Iterator[Arena]:
    with Arena(stack, "writers") as arena:
        yield arena


def owner_role(arena: Arena, side: Side) -> str:
    """The role that owns the side's tables: it may do more than the application, and is fenced all the same."""
    url = arena.stack.env["MONOLITH_OWNER_URL" if side is Side.MONOLITH else "CATALOG_OWNER_URL"]
    return "postgresql://" + url.partition("://")[2]


@pytest.mark.parametrize("rogue", ROGUE)
@pytest.mark.parametrize("side", list(Side))
def test_a_writer_past_the_proxy_is_refused_by_domain_owner_and_epoch(arena: Arena, side: Side, rogue: str) -> None:
    arena.prepare(side.other)
    epoch = {row.name: row.epoch for row in arena.watched.shop.sides()}[str(side)]
    with (
        psycopg.connect(owner_role(arena, side)) as connection,
        pytest.raises(psycopg.Error) as refused,
    ):
        connection.execute(ROGUE[rogue].format(**NAMES[side]))
    assert refused.value.sqlstate == REFUSED
    facts = json.loads(refused.value.diag.message_detail or "{}")
    assert (facts["domain"], facts["side"], facts["epoch"]) == ("catalog", str(side), epoch)


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
@pytest.mark.parametrize("giver", list(Side), ids=["cutover", "rollback"])
def test_a_session_that_began_before_the_fence_sees_no_way_past_it(arena: Arena, giver: Side, isolation: str) -> None:
    arena.prepare(giver)
    with psycopg.connect(owner_role(arena, giver)) as connection:
        connection.execute(f"set transaction isolation level {isolation}")
        # Its snapshot is from before the switch; it holds no lock that a fence would wait for.
        connection.execute("select pg_current_snapshot()")
        arena.moving.switch(forward=giver is Side.MONOLITH)
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(ROGUE["an update of no row"].format(**NAMES[giver]))
    assert refused.value.sqlstate == REFUSED
    arena.moving.wait_until_settled()
    arena.expect_no_broken_promise()


@pytest.mark.parametrize("side", list(Side))
def test_a_bulk_load_that_disables_triggers_is_refused_on_the_spot(arena: Arena, side: Side) -> None:
    """`DISABLE TRIGGER USER … ENABLE TRIGGER USER`, as loaders do: the first half would open the fence."""
    arena.prepare(side.other)
    with (
        psycopg.connect(owner_role(arena, side), autocommit=True) as connection,
        pytest.raises(psycopg.Error, match=r'fence of domain "catalog".*at epoch \d+'),
    ):
        connection.execute(f"alter table {NAMES[side]['products']} disable trigger user")
    arena.expect_no_broken_promise()


def test_a_fence_that_somebody_opened_past_the_event_trigger_is_noticed_and_closed(arena: Arena) -> None:
    """Event triggers do not fire for replicas, nor where no superuser installed them: then the watchdog sees it."""
    since = arena.prepare(Side.SERVICE)
    with psycopg.connect(arena.admin_dsn(Side.MONOLITH), autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("alter table products disable trigger user")
    wait_until(lambda: "fence-breach" in arena.moving.recoveries(since), 30, "the watchdog names the breach")
    with psycopg.connect(owner_role(arena, Side.MONOLITH), autocommit=True) as connection:

        def fenced_again() -> bool:
            try:
                connection.execute(ROGUE["an update of no row"].format(**NAMES[Side.MONOLITH]))
            except psycopg.Error as error:
                return error.sqlstate == REFUSED
            return False

        wait_until(fenced_again, 30, "the fence is up again")
    arena.expect_no_broken_promise()


@pytest.mark.parametrize(
    ("giver", "busy"),
    [
        pytest.param(Side.MONOLITH, Side.MONOLITH, id="cutover-monolith-busy"),
        pytest.param(Side.MONOLITH, Side.SERVICE, id="cutover-service-busy", marks=pytest.mark.full),
        pytest.param(Side.SERVICE, Side.MONOLITH, id="rollback-monolith-busy", marks=pytest.mark.full),
        pytest.param(Side.SERVICE, Side.SERVICE, id="rollback-service-busy", marks=pytest.mark.full),
    ],
)
def test_nobody_else_waits_for_a_long_transaction(arena: Arena, giver: Side, busy: Side) -> None:
    """It begins right after preflight, on either side. The switch waits for it; people are let through meanwhile."""
    arena.prepare(giver)
    began: list[float] = []
    blocker = psycopg.connect(arena.admin_dsn(busy))
    ended = threading.Timer(LONG_SECONDS, blocker.rollback)

    def begin(checkpoint: str) -> None:
        if checkpoint == "after-intent":
            table = NAMES[busy]["products"]
            blocker.execute(f"lock table {table} in row exclusive mode")
            ended.start()
            began.append(time.monotonic())

    with arena.people():
        arena.moving.switch(giver is Side.MONOLITH, checkpoint=begin)
        ended.join()
    blocker.close()
    new = arena.new_violations()
    [since] = began
    meanwhile = [o for o in arena.watched.operations if since < o.started < since + LONG_SECONDS]
    waits = [o.ended - o.started for o in meanwhile if o.act in WRITES]
    print(f"writes: p50 {percentile(waits, 50):.3f} s, p99 {percentile(waits, 99):.3f} s, longest {max(waits):.3f} s")
    failed = [o for o in meanwhile if not o.expected]
    assert not new, "\n".join(map(str, new[:20]))
    assert not failed, "\n".join(f"{o}: {o.evidence}" for o in failed[:20])
    assert arena.moving.owner() is giver.other


@contextmanager
def prepared_transaction(arena: Arena, side: Side) -> Iterator[str]:
    name = f"forgotten-{side}"
    with psycopg.connect(arena.admin_dsn(side), autocommit=True) as connection:
        connection.execute("begin")
        connection.execute(f"lock table {NAMES[side]['products']} in row exclusive mode")
        connection.execute(f"prepare transaction '{name}'")
        try:
            yield name
        finally:
            connection.execute(f"rollback prepared '{name}'")


@pytest.mark.parametrize("side", list(Side))
def test_a_prepared_transaction_is_refused_by_name_before_anyone_waits(arena: Arena, side: Side) -> None:
    arena.prepare(Side.MONOLITH)
    with prepared_transaction(arena, side) as name, pytest.raises(PreflightRefused, match=name):
        arena.moving.switch(forward=True, patience=0)
    assert arena.moving.owner() is Side.MONOLITH
    arena.expect_no_broken_promise()


@pytest.mark.parametrize("side", list(Side))
def test_a_running_vacuum_is_waited_for_or_refused_by_name(arena: Arena, side: Side) -> None:
    """A VACUUM that somebody typed does not yield to anyone."""
    arena.prepare(Side.MONOLITH)
    with psycopg.connect(
        make_conninfo(arena.admin_dsn(side), options="-c vacuum_cost_delay=100 -c vacuum_cost_limit=1"), autocommit=True
    ) as connection:
        table = NAMES[side]["products"]

        def clean() -> None:
            with suppress(psycopg.errors.QueryCanceled):  # Once the outcome is known it has done its part.
                connection.execute(f"vacuum {table}")

        vacuum = threading.Thread(target=clean)
        with arena.people():
            vacuum.start()
            try:
                arena.moving.switch(forward=True, patience=0)
                owner = Side.SERVICE
            except PreflightRefused as refused:
                assert table in str(refused)  # noqa: PT017  Waiting is right, too.
                owner = Side.MONOLITH
            connection.cancel_safe()
            vacuum.join()
    arena.moving.wait_until_settled()
    assert arena.moving.owner() is owner
    arena.expect_no_broken_promise()
