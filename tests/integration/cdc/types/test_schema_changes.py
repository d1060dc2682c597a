"""Columns that are added while rows flow, on either side first; and what else changes under a stream."""

from __future__ import annotations

import psycopg
import pytest

from cdc import install
from cdc.message_errors import SchemaChanged
from tests.integration.cdc.types.conftest import MakeMirror
from tests.integration.cdc.types.mirror import Mirror, copied, plain

ITEM = "create table item (id int primary key, name text, n int)"
ADD = "alter table item add column color text"


@pytest.fixture
def items(made: MakeMirror) -> Mirror:
    both = made(ITEM)
    both.source("insert into item select g, 'n' || g, g from generate_series(1, 50) g")
    return copied(both)


def with_all_columns(both: Mirror) -> list[str]:
    """What differs when every column counts, those that the lens does not know yet included."""
    lens = both.forward.projections
    both.forward = both.with_projections(tuple(plain(both.monolith, p.source) for p in lens))
    try:
        return both.differences()
    finally:
        both.forward = both.with_projections(lens)


def test_a_column_that_the_target_got_first_flows_at_once(items: Mirror) -> None:
    """The prepared statements of the running stream outlive both servers' DDL."""
    with items.streaming():
        items.source("update item set n = n + 1")
        items.caught_up(items.forward)
        items.target(ADD)
        items.source("insert into item values (100, 'between', 1)")
        items.caught_up(items.forward)
    with items.streaming():
        items.source("insert into item values (101, 'before', 1)")
        items.caught_up(items.forward)
        items.source(ADD)
        items.source("insert into item values (102, 'after', 1, 'red')")
        items.source("update item set color = 'blue' where id < 10")
        items.source("delete from item where id = 20")
        items.caught_up(items.forward)
    assert with_all_columns(items) == []


def test_a_column_that_the_source_got_first_waits_for_the_target_and_nothing_is_lost(items: Mirror) -> None:
    with psycopg.connect(items.monolith) as writer:
        writer.execute("insert into item values (100, 'before', 1)")
    with items.streaming() as running:
        items.source(ADD)
        items.source("insert into item values (101, 'after', 1, 'red')")
        error = running.fails(SchemaChanged, 20)
        assert "column color is new" in error.message
        assert error.change is not None
        assert (error.change.table, error.change.ordinal) == ("public.item", 1)
    assert items.target("select id from item where id >= 100") == [(100,)]
    items.target(ADD)
    with items.streaming():
        items.source("update item set color = 'blue' where id < 10")
        items.caught_up(items.forward)
    assert with_all_columns(items) == []


def test_a_column_that_stays_on_the_source_is_left_out_only_when_somebody_says_so(items: Mirror) -> None:
    items.source(ADD)
    items.source("insert into item values (101, 'after', 1, 'red')")
    with items.streaming() as running:
        running.fails(SchemaChanged, 20)
    install.accept_schema(items.forward)
    with items.streaming():
        items.caught_up(items.forward)
    assert not items.differences()


@pytest.mark.parametrize(
    ("ddl", "named"),
    [
        ("alter table item drop column n", "column n is gone"),
        ("alter table item rename column n to m", "column m is new; column n is gone"),
        ("alter table item alter n type bigint", "column n has another type"),
    ],
)
def test_everything_else_waits_for_a_lens_that_fits(items: Mirror, ddl: str, named: str) -> None:
    with items.streaming() as running:
        items.source(ddl)
        items.source("insert into item (id, name) values (101, 'after')")
        error = running.fails(SchemaChanged, 20)
        assert named in error.message
    items.target(ddl)
    items.forward = items.with_projections((plain(items.monolith, items.forward.projections[0].source),))
    install.accept_schema(items.forward)
    with items.streaming():
        items.source("update item set name = 'x' where id < 10")
        items.caught_up(items.forward)
    assert not items.differences()


@pytest.mark.parametrize(
    "ddl",
    [
        "alter table item add column mine text default 'd'; alter table item drop column mine",
        "alter table item alter n type bigint",
        "alter table item add constraint positive check (n > -1000)",
        "create index on item (name); analyze item",
        "alter table item alter name type varchar(100)",
    ],
)
def test_the_targets_own_ddl_does_not_stop_a_running_stream(items: Mirror, ddl: str) -> None:
    with items.streaming():
        for step in ddl.split("; "):
            items.source("update item set n = n + 1; insert into item select max(id) + 1, 'x', 1 from item")
            items.caught_up(items.forward)
            items.target(step)
            items.source("update item set n = n + 1; insert into item select max(id) + 1, 'x', 1 from item")
            items.source("delete from item where id = (select min(id) from item)")
            items.caught_up(items.forward)
    assert not items.differences()


def test_a_target_column_that_went_away_is_named(items: Mirror) -> None:
    with items.streaming() as running:
        items.source("update item set n = n + 1")
        items.caught_up(items.forward)
        items.target("alter table item drop column n")
        items.source("update item set n = n + 1")
        assert "target column n does not exist" in running.fails(SchemaChanged, 20).message
    items.target("alter table item add column n int")
    with items.streaming():
        items.source("update item set n = n + 1")
        items.caught_up(items.forward)
    assert not items.differences()
