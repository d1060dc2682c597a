"""What the source may do within a transaction arrives, however the target's constraints look at single steps."""

from __future__ import annotations

import random

import psycopg
import pytest

from cdc.stream_errors import SetUpError
from cdc.target.errors import PoisonRow
from tests.integration.cdc.types.conftest import MakeMirror
from tests.integration.cdc.types.mirror import Mirror, copied

PEOPLE = """
    create table person (
        id int primary key {key}, mail text unique {later}, place int not null, note text, big text,
        unique (place) {later}
    );
    alter table person alter big set storage external;
"""
LATER = "deferrable initially deferred"
SOME = (
    "insert into person select g, 'p' || g, g, 'n', repeat('x' || g, 5000) from generate_series(1, {rows}) g"
)  # fmt: skip


@pytest.fixture
def people(made: MakeMirror) -> Mirror:
    """The source checks its unique values at its commits, the target at each row."""
    both = made(PEOPLE.format(key="", later=LATER), PEOPLE.format(key="", later=""))
    both.source(SOME.format(rows=300))
    return copied(both)


@pytest.fixture
def movers(made: MakeMirror) -> Mirror:
    """Keys, too. PostgreSQL takes no deferred key for an identity."""
    both = made(PEOPLE.format(key=LATER, later=LATER), PEOPLE.format(key="", later=""))
    with pytest.raises(SetUpError, match="deferred"):
        copied(both)
    both.source("alter table person replica identity full")
    both.source(SOME.format(rows=300))
    return copied(both)


SWAPS = {
    "two rows in one statement": "update person set mail = 'p' || (3 - id) where id < 3",
    "two rows in two statements": "update person set mail = 'p2' where id = 1;"
    " update person set mail = 'p1' where id = 2",
    "a chain of all rows in one statement": "update person set place = place % 300 + 1",
    "two columns at once": "update person set place = 301 - place, mail = 'p' || (301 - id)",
    "a swap and new and deleted rows": "update person set mail = 'p' || (3 - id) where id < 3;"
    " delete from person where id = 5; insert into person values (500, 'p5', 5, 'new', '');"
    " update person set note = 'later' where id in (1, 2, 500)",
    "one that is given up first": "update person set mail = null where id = 9;"
    " update person set mail = 'p9' where id = 8",
}


@pytest.mark.parametrize("swap", SWAPS)
def test_unique_values_may_change_places_in_any_way_that_the_source_allows(people: Mirror, swap: str) -> None:
    """Large values that were not sent are still there afterwards."""
    with people.streaming():
        people.source(f"begin; {SWAPS[swap]}; commit")
        people.source("update person set note = 'after' where id = 4")
        people.caught_up(people.forward)
    assert not people.differences()


KEYS = {
    "a swap by way of a third": "update person set id = 1000 where id = 1; update person set id = 1 where id = 2;"
    " update person set id = 2 where id = 1000",
    "a chain downwards": "update person set id = id - 1000; update person set id = id + 1001",
    "a chain in one statement": "update person set id = id + 1",
    "a swap in one statement": "update person set id = 3 - id where id < 3",
    "a key that is left and taken again": "update person set id = 1000 where id = 1;"
    " insert into person values (1, 'again', 1000, 'n', ''); update person set note = 'm' where id in (1, 1000)",
}


@pytest.mark.parametrize("change", KEYS)
def test_keys_may_change_places_in_any_way_that_the_source_allows(movers: Mirror, change: str) -> None:
    with movers.streaming():
        movers.source(f"begin; {KEYS[change]}; commit")
        movers.caught_up(movers.forward)
    assert not movers.differences()


def test_a_chain_of_keys_is_one_statement_for_many_rows(made: MakeMirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the source without deferred checks can do it: from the upper end."""
    both = made("create table item (id int primary key, n int)")
    both.source("insert into item select g, g from generate_series(1, 640) g")
    copied(both)
    with both.streaming():
        both.source(
            "do $$ begin for i in reverse 640..1 loop update item set id = i + 1 where id = i; end loop; end $$"
        )
        both.caught_up(both.forward)
        [(statements,)] = both.target("select count(distinct cmin::text) from (select cmin, xmin from item) i")
    assert not both.differences()
    assert statements == 10


FAMILY = """
    create table parent (id int primary key, name text);
    create table child (id int primary key, parent int references parent {}, name text);
"""


def test_parents_and_children_arrive_in_whatever_order_they_were_made(made: MakeMirror) -> None:
    """Deferred on the source; the target's foreign key is checked at each statement for everybody but the stream."""
    both = made(FAMILY.format(LATER), FAMILY.format("on delete cascade"))
    copied(both)
    with both.streaming():
        both.source(
            "begin; insert into child values (1, 10, 'c'); insert into parent values (10, 'p');"
            " insert into child select g, 10, 'c' from generate_series(2, 100) g; commit"
        )
        both.source(
            "begin; delete from parent where id = 10; update child set name = 'kept' where id > 50;"
            " delete from child where id <= 50; insert into parent values (10, 'p2'); commit"
        )
        both.source("begin; update child set parent = 11; update parent set id = 11; commit")
        both.caught_up(both.forward)
    assert not both.differences()
    assert both.target("select count(*) from child where parent = 11") == [(50,)]


def test_truncation_of_several_tables_with_cascade_and_restart_arrives(made: MakeMirror) -> None:
    both = made(FAMILY.format("") + "create table alone (id bigserial primary key, n int)")
    both.source("insert into parent values (1, 'p'); insert into child values (1, 1, 'c')")
    both.source("insert into alone (n) values (1)")
    copied(both)
    with both.streaming():
        both.source(
            "begin; insert into alone (n) values (2); truncate parent, alone restart identity cascade;"
            " insert into alone (n) values (3); insert into parent values (2, 'q'); commit"
        )
        both.caught_up(both.forward)
    assert not both.differences()
    assert both.target("select id, n from alone") == [(1, 3)]
    assert both.target("select 1 from child") == []


def test_what_was_rolled_back_to_a_savepoint_never_arrives(made: MakeMirror) -> None:
    both = made("create table item (id int primary key, n int)")
    copied(both)
    chance = random.Random(4)
    with both.streaming(), psycopg.connect(both.monolith) as writer:
        for round_ in range(20):
            for n in range(10):
                writer.execute("savepoint s")
                writer.execute("insert into item values (%s, 0) on conflict (id) do update set n = item.n + 1", [n])
                writer.execute("update item set id = %s where id = %s", [1000 + 10 * round_ + n, n - 1])
                writer.execute("rollback to s" if chance.random() < 0.4 else "release s")
            writer.rollback() if chance.random() < 0.3 else writer.commit()
        both.caught_up(both.forward)
    assert not both.differences()
    assert both.target("select 1 from item")


def test_an_identity_that_is_always_generated_can_be_a_key_and_can_change(made: MakeMirror) -> None:
    both = made(
        "create table item (id int generated always as identity primary key, other int generated always as identity,"
        " n int)"
    )
    both.source("insert into item (n) select g from generate_series(1, 100) g")
    copied(both)
    with both.streaming():
        both.source("insert into item (n) select g from generate_series(101, 200) g")
        both.source("update item set n = n + 1")
        both.source("update item set other = default where n % 3 = 0")
        both.source("update item set id = default where n % 7 = 0")
        both.source("delete from item where n % 2 = 0")
        both.caught_up(both.forward)
    assert not both.differences()


def test_a_value_that_somebody_else_has_is_poison_and_is_named_to_the_row(people: Mirror) -> None:
    """A real conflict is tried past the constraints, too, and is not applied."""
    people.target("insert into person values (9000, 'taken', 9000, 'foreign', '')")
    with people.streaming() as running:
        people.source("begin; update person set mail = 'p' || (3 - id) where id < 3; commit")
        people.source(
            "begin; update person set note = 'a' where id = 7; update person set mail = 'taken' where id = 8;"
            " update person set note = 'a' where id = 9; commit"
        )
        error = running.fails(PoisonRow, 20)
    assert "person_mail_key" in error.message
    assert "taken" not in error.message
    assert error.change is not None
    assert (error.change.ordinal, error.change.table) == (2, "public.person")
    assert people.target("select mail from person where id in (1, 2) order by id") == [("p2",), ("p1",)]
    people.target("delete from person where id = 9000")
    with people.streaming():
        people.caught_up(people.forward)
    assert not people.differences()
