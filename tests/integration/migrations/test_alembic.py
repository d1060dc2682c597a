"""Alembic revisions of the sample on either side while rows flow, in both directions.

Each revision flows, or stops the stream by name in front of the first row that it cannot carry; nothing is lost.
"""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from cdc.copying import snapshot
from cdc.message_errors import RowsRewritten, SchemaChanged, UnmappedTable
from migration_plan.lifecycle import Side
from tests.integration.cdc.lens.shop import wait_until_caught_up
from tests.integration.migrations.conftest import Sides, refused

TABLES = {Side.MONOLITH: "products", Side.SERVICE: "product"}


def products(sides: Sides) -> str:
    """The table of the owner's side."""
    return TABLES[sides.owner]


def copy_of_products(sides: Sides) -> str:
    return TABLES[sides.owner.other]


def touch(sides: Sides) -> None:
    """Every product changes, so that each of them has to be carried."""
    sides.on_source(f"update {products(sides)} set version = version + 1")


def goes_on(sides: Sides, *columns: str) -> None:
    """Everything is carried, and the copy has the same values."""
    running = sides.running()
    try:
        touch(sides)
        wait_until_caught_up(sides.stream)
    finally:
        running.end()
    query = f"select {', '.join(['id', 'version', 'title', 'category', *columns])} from {{}} order by id"
    assert sides.on_source(query.format(products(sides))) == sides.on_target(query.format(copy_of_products(sides)))


def stops(sides: Sides, named: str, kind: type[Exception] = SchemaChanged) -> None:
    running = sides.running()
    touch(sides)
    assert named in str(running.fails(kind, 30))


def add(table: str, column: str) -> str:
    return f"op.add_column('{table}', sa.Column({column}))"


COLUMNS = [
    pytest.param("'color', sa.Text()", id="nullable", marks=pytest.mark.full),
    pytest.param("'weight', sa.Integer(), server_default='1'", id="default", marks=pytest.mark.full),
    pytest.param("'shelf', sa.Text(), nullable=False, server_default='none'", id="not-null"),
]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_the_copy_gets_first_flows_and_one_that_the_owner_gets_first_waits(
    sides: Sides, column: str
) -> None:
    name = column.split("'")[1]
    sides.target.revise(add(copy_of_products(sides), column))
    goes_on(sides)
    sides.source.revise(add(products(sides), column))
    goes_on(sides, name)
    other = column.replace(name, f"{name}_2")
    sides.source.revise(add(products(sides), other))
    stops(sides, f"column {name}_2 is new")
    sides.target.revise(add(copy_of_products(sides), other))
    goes_on(sides, name, f"{name}_2")
    # And away again, from the copy last: before, its rows would have nowhere to go.
    for one in (name, f"{name}_2"):
        sides.source.revise(f"op.drop_column('{products(sides)}', '{one}')")
        goes_on(sides)
        sides.target.revise(f"op.drop_column('{copy_of_products(sides)}', '{one}')")
        goes_on(sides)


def test_indexes_constraints_and_other_tables_need_nobody(sides: Sides) -> None:
    revision = """
        op.create_index('{0}_test', '{0}', ['version'])
        op.create_check_constraint(op.f('{0}_positive'), '{0}', 'version > -1')
        op.create_table('note', sa.Column('id', sa.BigInteger, primary_key=True))
        op.drop_constraint(op.f('{0}_positive'), '{0}')
        op.drop_index('{0}_test', '{0}')
        op.rename_table('note', 'remark')
        op.drop_table('remark')
    """
    running = sides.running()
    sides.source.revise(revision.format(products(sides)))
    touch(sides)
    wait_until_caught_up(sides.stream)
    sides.target.revise(revision.format(copy_of_products(sides)))
    running.end()
    goes_on(sides)


def test_a_backfill_on_the_owner_flows_whole_or_in_chunks(sides: Sides) -> None:
    table = products(sides)
    sides.source.revise(f"op.execute(\"update {table} set category = 'all'\")")
    for start in range(0, 21, 7):
        chunk = f"id > {start} and id <= {start + 7}"
        sides.source.revise(f"op.execute(\"update {table} set title = title || '!' where {chunk}\")")
    goes_on(sides)


def test_a_backfill_on_the_side_that_does_not_own_is_refused_whole(sides: Sides) -> None:
    table = copy_of_products(sides)
    body = f"""
        op.add_column('{table}', sa.Column('mood', sa.Text()))
        op.execute("update {table} set mood = 'x'")
    """
    with pytest.raises(DBAPIError) as met:
        sides.target.revise(body)
    assert refused(met.value) == "SF421"
    assert not sides.on_target(f"select 1 from pg_attribute where attrelid = '{table}'::regclass and attname = 'mood'")
    goes_on(sides)


def test_a_column_that_the_lens_reads_is_not_renamed_or_retyped_without_the_plan(sides: Sides) -> None:
    table = products(sides)
    sides.source.revise(f"op.alter_column('{table}', 'title', new_column_name='headline')")
    stops(sides, "column headline is new; column title is gone")
    # The log goes on saying what was written under that name: either the plan follows, or a new copy begins after it.
    sides.source.revise(f"op.alter_column('{table}', 'headline', new_column_name='title')")
    stops(sides, "column headline is new; column title is gone")
    snapshot.copy(sides.stream, afresh=True)
    goes_on(sides)
    sides.source.revise(f"op.alter_column('{table}', 'category', type_=sa.String(200))")
    stops(sides, f"{table} was rewritten", RowsRewritten)
    snapshot.copy(sides.stream, afresh=True)
    goes_on(sides)


def test_a_renamed_and_a_dropped_table_stop_the_stream_by_name(sides: Sides) -> None:
    table = products(sides)
    sides.source.revise(f"op.rename_table('{table}', 'goods')")
    running = sides.running()
    sides.on_source("update goods set version = version + 1")
    assert "goods" in str(running.fails(UnmappedTable, 30))
    sides.source.revise(f"op.rename_table('goods', '{table}')")
    snapshot.copy(sides.stream, afresh=True)
    goes_on(sides)
    lines = {Side.MONOLITH: "stock_reservation_lines", Side.SERVICE: "reservation_line"}[sides.owner]
    sides.source.revise(f"op.drop_table('{lines}')")
    stops(sides, f"{lines} was dropped", RowsRewritten)
