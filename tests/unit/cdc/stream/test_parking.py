"""Which of a batch's values find its rows, wherever they stand among the others."""

from __future__ import annotations

from cdc.projection import Column, Table
from cdc.target.parking import key_params
from cdc.target.statements import Cell, Op, Shape, statement

TABLE = Table("public", "book")
ID = Cell(Column("id", ("id",), "{id}"), "bigint")
SIZE = Cell(Column("size", ("w", "h"), "{w} || {h}"), "text")
CODE = Cell(Column("code", ("code",), "{code}"), "text")
KIND = Cell(Column("kind", (), "'paper'"), "text")


def test_the_key_of_an_update_and_of_a_deletion_comes_last() -> None:
    update = Shape(Op.UPDATE, TABLE, (SIZE, KIND), (ID, CODE))
    assert key_params(update, 2, list("whicWHIC")) == list("icIC")
    assert key_params(Shape(Op.DELETE, TABLE, (), (ID, CODE)), 2, list("icIC")) == list("icIC")
    assert key_params(Shape(Op.DISCARD, TABLE, (), (ID,)), 2, list("iI")) == list("iI")


def test_the_key_of_a_row_that_is_put_is_among_its_values() -> None:
    put = Shape(Op.PUT, TABLE, (SIZE, ID, KIND, CODE), (CODE, ID))
    assert key_params(put, 2, list("whicWHIC")) == list("ciCI")


def test_a_row_without_a_key_is_found_by_all_its_texts_and_only_once() -> None:
    whole = Shape(Op.DELETE, TABLE, (), (ID, CODE), whole=True, near=("id",))
    assert statement(whole, 1) == (
        'WITH changed AS (DELETE FROM "public"."book" t'
        " USING (VALUES (CAST($1 AS bigint), CAST($2 AS text))) v(c0, c1),"
        ' LATERAL (SELECT x.tableoid, x.ctid FROM "public"."book" x WHERE x."id" = v.c0'
        ' AND (x."id"::text COLLATE "C") IS NOT DISTINCT FROM (v.c0::text COLLATE "C")'
        ' AND (x."code"::text COLLATE "C") IS NOT DISTINCT FROM (v.c1::text COLLATE "C") LIMIT 1) f'
        " WHERE t.ctid = f.ctid AND t.tableoid = f.tableoid RETURNING 1)"
        " SELECT fig.expect_rows(count(*), 1) FROM changed"
    )
