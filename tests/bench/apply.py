"""Apply, direct: rows a second against CREATE SUBSCRIPTION, both replaying the same WAL into the same empty table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.bench import wide
from tests.bench.figure import Figure, Scale, in_turn
from tests.bench.servers import drop_slot, run, servers
from tests.bench.streams import BASE_SLOT, SUBSCRIPTION, Ends, ours, seconds_between_marks, set_up, subscription


@dataclass(frozen=True)
class Load:
    """What is written on the source, once, and replayed by both again and again."""

    name: str
    at_least: float
    rows_before: int
    transactions: int
    rows_each: int
    body: str


def loads(scale: Scale) -> tuple[Load, ...]:
    inserts, changes, single = scale.of(3000, 300), scale.of(1200, 120), scale.of(60_000, 3000)
    rows = 80 * changes
    return (
        Load(
            "apply: inserts, 100 a transaction", 0.5, 0, inserts, 100,
            f"insert into item select {wide.row('i')} from generate_series(1 + t * 100, 100 + t * 100) i",
        ),
        Load(
            "apply: 80 updates and 10 deletes a transaction", 0.9, rows, changes, 90,
            "update item set quantity = quantity + 1, note = 'changed in ' || t"
            " where id > t * 80 and id <= t * 80 + 80;"
            " delete from item where id > t * 80 and id <= t * 80 + 10",
        ),
        Load(
            "apply: one-row transactions", 1, 0, single, 1,
            f"insert into item select {wide.row('(t + 1)')}",
        ),
    )  # fmt: skip


def measure(scale: Scale) -> Sequence[Figure]:
    scale.say(f"peer: CREATE SUBSCRIPTION with {SUBSCRIPTION}")
    figures = []
    with servers(2, scale.say) as (here, there):
        for number, load in enumerate(loads(scale)):
            ends = Ends(here.create_database(f"load{number}"), there.create_database(f"load{number}"))
            figures.append(_replayed(ends, load, scale))
    return figures


def _replayed(ends: Ends, load: Load, scale: Scale) -> Figure:
    for dsn in (ends.source, ends.target):
        run(dsn, wide.TABLES)
    if load.rows_before:
        wide.fill(ends.source, load.rows_before)
        run(ends.target, "create table before (like item)")
        run(ends.target, f"insert into before select {wide.row('i')} from generate_series(1, {load.rows_before}) i")
    set_up(ends)
    wide.write(ends.source, load.transactions, load.body)
    rows = load.transactions * load.rows_each

    def rate(carry: Callable[[Ends], AbstractContextManager[object]]) -> float:
        run(ends.target, "truncate item, mark")
        if load.rows_before:
            run(ends.target, "insert into item select * from before", "vacuum analyze item")
        run(ends.target, "checkpoint")
        with carry(ends):
            return rows / seconds_between_marks(ends.target)

    scale.say(load.name)
    one, other = in_turn(scale.rounds, lambda: rate(ours), lambda: rate(subscription), scale.say)
    drop_slot(ends.source, BASE_SLOT)
    return Figure(load.name, one, other, one / other, load.at_least, "rows/s")
