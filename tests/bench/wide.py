"""The table of these measurements: 10 columns of everyday types, about 200 bytes a row; and a mark behind each load."""

from __future__ import annotations

from cdc.projection import Column, Projection, Role, Table
from tests.bench.servers import run

ITEM, MARK = Table("public", "item"), Table("public", "mark")
COLUMNS = ("id", "owner", "quantity", "price", "title", "note", "state", "is_open", "at", "more")
TABLES = """
    create table item (
        id bigint primary key, owner bigint not null, quantity int not null, price numeric(12,2) not null,
        title text not null, note text, state text not null, is_open boolean not null, at timestamptz not null,
        more jsonb not null
    );
    create table mark (n int primary key);
"""
_ROW = """
    {i}, {i} % 1000, {i} % 7, ({i} % 100000) / 100.0, 'title of the item ' || {i}, 'a note about it, ' || {i} % 97,
    'open', {i} % 2 = 0, '2026-01-01'::timestamptz + {i} * interval '1 second', jsonb_build_object('k', {i}, 'v', 'x')
"""


def row(number: str) -> str:
    """The values of one row as SQL, from an expression for its number."""
    return _ROW.format(i=number)


def same(table: Table, key: str, columns: tuple[str, ...]) -> Projection:
    """The table as it is."""
    mapped = tuple(Column(name, (name,), "{" + name + "}") for name in columns)
    return Projection(table, table, ((key, key),), mapped, Role.PRIMARY, ())


PROJECTIONS = (same(ITEM, "id", COLUMNS), same(MARK, "n", ("n",)))


def fill(dsn: str, rows: int) -> None:
    """`rows` rows at once."""
    run(dsn, f"insert into item select {row('i')} from generate_series(1, {rows}) i", "vacuum analyze item")


def write(dsn: str, transactions: int, body: str) -> None:
    """`body` for each number t from 0, each in a transaction of its own, between mark 1 and mark 2."""
    run(
        dsn,
        "insert into mark values (1)",
        f"do $$ begin for t in 0..{transactions - 1} loop {body}; commit; end loop; end $$",
        "insert into mark values (2)",
    )
