"""Batches keep each table's order, never touch a row twice, and are as large as they can be."""

from __future__ import annotations

from collections.abc import Iterable

from cdc.projection import Column, Table
from cdc.target.runs import Batch, Change, Runs
from cdc.target.statements import Cell, Op, Shape, statement

BOOK, LOAN = Table("public", "book"), Table("public", "loan")
ID, TITLE = Cell(Column("id", ("id",), "{id}"), "bigint"), Cell(Column("title", ("title",), "{title}"), "text")

INSERT = Shape(Op.INSERT, BOOK, (ID, TITLE), ())
UPDATE = Shape(Op.UPDATE, BOOK, (TITLE,), (ID,))
DELETE = Shape(Op.DELETE, LOAN, (), (ID,))


def change(shape: Shape, number: int) -> Change:
    key = str(number).encode()
    params: list[bytes | None] = [key] * shape.width
    return (shape, params, None if shape.op is Op.INSERT else key, None)


def batches(changes: Iterable[Change], runs: Runs) -> list[Batch]:
    return [batch for one in changes for batch in runs.add(one)] + list(runs.close())


def sizes(found: list[Batch]) -> list[int]:
    return [batch.rows for batch in found]


def test_equal_changes_go_out_in_batches_of_powers_of_two_up_to_64() -> None:
    found = batches((change(INSERT, n) for n in range(150)), Runs())
    assert sizes(found) == [64, 64, 16, 4, 2]
    assert [value for batch in found for value in batch.params[::2]] == [str(n).encode() for n in range(150)]


def test_a_row_that_comes_again_ends_the_batch() -> None:
    assert sizes(batches((change(UPDATE, n % 4) for n in range(8)), Runs())) == [4, 4]


def moved(old: int, new: int) -> Change:
    key = str(old).encode()
    return (UPDATE, [b"t", key], key, str(new).encode())


def test_a_chain_of_moved_keys_is_one_batch_and_a_key_that_was_made_is_not_found_in_it() -> None:
    assert sizes(batches([moved(n, n + 1) for n in range(16, 0, -1)], Runs())) == [16]
    four = [moved(1, 9), moved(2, 1), moved(3, 2), moved(4, 3)]
    assert sizes(batches(four, Runs())) == [4]
    assert sizes(batches([*four[:3], moved(9, 4)], Runs())) == [2, 1, 1]
    assert sizes(batches([*four[:3], moved(4, 9)], Runs())) == [2, 1, 1]
    assert sizes(batches([*four[:3], moved(3, 5)], Runs())) == [2, 1, 1]


def test_another_kind_of_change_of_the_same_table_ends_the_batch() -> None:
    found = batches([change(INSERT, 1), change(INSERT, 2), change(UPDATE, 1), change(INSERT, 3)], Runs())
    assert [(b.shape.op, b.rows) for b in found] == [
        (Op.INSERT, 2), (Op.UPDATE, 1), (Op.INSERT, 1),
    ]  # fmt: skip


def test_two_tables_in_turn_still_make_long_batches() -> None:
    mixed = [change(shape, n) for n in range(16) for shape in (INSERT, DELETE)]
    assert sorted(sizes(batches(mixed, Runs()))) == [16, 16]


def test_a_statement_never_has_more_parameters_than_the_protocol_takes() -> None:
    wide = Shape(Op.INSERT, BOOK, tuple(Cell(Column(f"c{n}", ("id",), "{id}"), "text") for n in range(1500)), ())
    assert sizes(batches((change(wide, n) for n in range(64)), Runs())) == [32, 32]


def test_the_statement_names_every_identifier_in_quotes_and_numbers_every_value_once() -> None:
    assert statement(INSERT, 2) == (
        'WITH changed AS (INSERT INTO "public"."book" ("id", "title") OVERRIDING SYSTEM VALUE VALUES'
        " (CAST($1 AS bigint), CAST($2 AS text)), (CAST($3 AS bigint), CAST($4 AS text)) RETURNING 1)"
        " SELECT fig.expect_rows(count(*), 2) FROM changed"
    )
    assert statement(UPDATE, 1) == (
        'WITH changed AS (UPDATE "public"."book" t SET "title" = v.c0'
        " FROM (VALUES (CAST($1 AS text), CAST($2 AS bigint))) v(c0, c1)"
        ' WHERE t."id" = v.c1 RETURNING 1) SELECT fig.expect_rows(count(*), 1) FROM changed'
    )
