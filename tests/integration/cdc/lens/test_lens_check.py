"""A lens is refused against live catalogues where it is not total, not invertible or does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from cdc.lens import Lens
from tests.support.postgres import PostgresServer

Sides = tuple[Connection[Any], Connection[Any]]
NUMBERED = "create table t (id int primary key, {})"
FLAGS = {"flags": ["a"], "values": {"false": "no", "true": "yes"}}
LABELS = {"enum": "a", "values": {"x": "one", "y": "two"}}


@pytest.fixture(scope="module")
def servers(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[Sides]:
    with (
        psycopg.connect(monolith_server.create_database("check_monolith"), autocommit=True) as monolith,
        psycopg.connect(services_server.create_database("check_service"), autocommit=True) as service,
    ):
        yield monolith, service


@pytest.fixture
def sides(servers: Sides) -> Sides:
    for connection in servers:
        connection.execute("drop schema public cascade; create schema public")
    return servers


def check(sides: Sides, monolith: str, service: str, *entries: dict[str, Any]) -> list[str]:
    sides[0].execute(monolith)
    sides[1].execute(service)
    return [str(problem) for problem in Lens.parse(entries).check(*sides)]


def column(written: object) -> dict[str, Any]:
    return {"monolith": "public.t", "service": {"public.t": {"id": "id", "x": written}}}


@pytest.mark.parametrize(
    ("monolith", "service", "written", "problem"),
    [
        # Types.
        ("a int", "x bigint", "a", "a is integer, x is bigint: use cast"),
        ("a varchar(9)", "x varchar(8)", "a", "use cast"),
        ("a numeric(10,2)", "x numeric(12,2)", "a", "use cast"),
        ("a int", "x text", {"cast": "a", "to": "bigint", "back": "int"}, "x is text, the lens says bigint"),
        ("a text", "x bigint", {"cast": "a", "to": "bigint", "back": "int"}, "a is text, the lens says integer"),
        # Scale.
        ("a numeric(10,3)", "x bigint", {"scale": "a", "by": 100}, "lossy: a has 3 digits after the point"),
        ("a numeric(10,1)", "x bigint", {"scale": "a", "by": 100}, "not invertible: a has 1 digits after the point"),
        ("a numeric", "x bigint", {"scale": "a", "by": 100}, "scale needs numeric with a fixed number"),
        ("a float", "x bigint", {"scale": "a", "by": 100}, "scale needs numeric with a fixed number"),
        ("a numeric(10,2)", "x int", {"scale": "a", "by": 100}, "x is integer; scale needs bigint"),
        # NULL.
        ("a int", "x int not null", "a", "not total: a may be NULL, x may not"),
        ("a int not null", "x int", "a", "not invertible: x may be NULL, a may not"),
        ("a boolean", "x text not null check (x in ('no', 'yes'))", FLAGS, "not total: the flag a may be NULL"),
        ("a boolean not null", "x text check (x in ('no', 'yes'))", FLAGS, "x may be NULL, the flags may not"),
        # Flags and enums.
        ("a int not null", "x text not null check (x in ('no', 'yes'))", FLAGS, "a is integer, no boolean"),
        ("a boolean not null", "x text not null", FLAGS, "x may hold other values; a CHECK must confine it to no, yes"),
        ("a boolean not null", "x text not null check (x in ('no', 'yes', 'maybe'))", FLAGS, "x may hold other values"),
        ("a boolean not null", "x text not null check (x = 'no')", FLAGS, 'not invertible: a CHECK forbids "yes" in x'),
        ("a boolean not null", "x int not null", FLAGS, "x is integer, neither an enum nor text"),
        ("a xy", "x onetwothree", LABELS, 'not total: label "three" of x has no counterpart'),
        ("a xyz", "x onetwo", LABELS, 'not total: label "z" of a has no counterpart'),
        ("a xy", "x one", LABELS, 'x knows no label "two"'),
        ("a xy", "x onetwo", "a", "a and x do not have the same labels: use enum"),
        ("a text check (a in ('x', 'z'))", "x onetwo", LABELS, "a may hold other values"),
        ("a text check (a in ('x', 'y')) not null", "x onetwo", LABELS, "not invertible: x may be NULL"),
    ],
)
def test_a_column_that_does_not_fit_is_refused(
    sides: Sides, monolith: str, service: str, written: object, problem: str
) -> None:
    enums = "".join(
        f"create type {name} as enum ({labels});"
        for name, labels in (("xy", "'x','y'"), ("xyz", "'x','y','z'"), ("one", "'one'"), ("onetwo", "'one','two'"),
                             ("onetwothree", "'one','two','three'"))
    )  # fmt: skip
    found = check(sides, enums + NUMBERED.format(monolith), enums + NUMBERED.format(service), column(written))
    assert [line for line in found if line.startswith("public.t → public.t.x: ") and problem in line], found
    assert len(found) <= 2


@pytest.mark.parametrize(
    ("service", "constant", "problem"),
    [
        ("x char(3) not null", "EUR", "may hold other values; add CHECK (x = 'EUR')"),
        ("x char(3) check (x = 'EUR')", "EUR", "may be NULL instead"),
        ("x char(3) not null check (x = 'USD')", "EUR", "may hold other values"),
        ("x char(3) not null check (x in ('EUR', 'USD'))", "EUR", "may hold other values"),
        ("x char(3) not null", "EURO", '"EURO" is not how character(3) writes a value'),
        ("x int not null check (x = 1)", "01", '"01" is not how integer writes a value'),
        ("x int not null check (x = 1)", "one", '"one" is not how integer writes a value'),
        ("x numeric(4,2) not null check (x = 1)", "1", '"1" is not how numeric(4,2) writes a value'),
    ],
)
def test_a_constant_needs_a_check_that_proves_it(sides: Sides, service: str, constant: str, problem: str) -> None:
    found = check(
        sides, "create table t (id int primary key)", NUMBERED.format(service), column({"constant": constant})
    )
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("char(3)", "EUR"),
        ("varchar(5)", "EUR"),
        ("text", "it's"),
        ("int", "7"),
        ("numeric(4,2)", "1.50"),
        ("boolean", "true"),
    ],
)
def test_a_constant_with_its_check_is_accepted(sides: Sides, type_name: str, value: str) -> None:
    literal = value.replace("'", "''")
    both = NUMBERED.format(f"x {type_name} not null check (x = '{literal}')")
    entry = column({"constant": value}) | {"monolith_only": {"x": {"constant": value}}}
    assert check(sides, both, both, entry) == []


def test_a_check_that_was_never_validated_proves_nothing(sides: Sides) -> None:
    service = NUMBERED.format("x text not null") + "; alter table t add check (x = 'EUR') not valid"
    (found,) = check(sides, "create table t (id int primary key)", service, column({"constant": "EUR"}))
    assert "x may hold other values" in found


def test_a_constant_of_the_monolith_needs_its_check_too(sides: Sides) -> None:
    entry = {"monolith": "public.t", "service": {"public.t": {"id": "id"}}, "monolith_only": {"x": {"constant": "n"}}}
    found = check(sides, NUMBERED.format("x text not null"), "create table t (id int primary key)", entry)
    assert found == ["public.t: x: not invertible: x may hold other values; add CHECK (x = 'n')"]


def test_every_column_of_either_side_is_mapped_and_exists(sides: Sides) -> None:
    found = check(sides, NUMBERED.format("a int, b int"), NUMBERED.format("x int, y int"), column("c"))
    assert found == [
        "public.t: public.t has no column c",
        "public.t: a of public.t is not mapped",
        "public.t: b of public.t is not mapped",
        "public.t → public.t: y of public.t is not mapped",
    ]


def test_generated_columns_need_no_mapping_and_take_none(sides: Sides) -> None:
    generated = NUMBERED.format("a int, b int generated always as (a + 1) stored")
    assert check(sides, generated, NUMBERED.format("x int"), column("a")) == []
    found = [str(problem) for problem in Lens.parse([column("b")]).check(*sides)]
    assert "public.t: b of public.t is generated; nobody can write it" in found


def test_a_table_that_does_not_exist_or_is_a_view_is_named(sides: Sides) -> None:
    found = check(sides, "create view t as select 1 as id", "select", column("a"))
    assert found == [
        "public.t: does not exist on the monolith's side",
        "public.t → public.t: does not exist on the service's side",
    ]


@pytest.mark.parametrize(
    ("monolith", "service", "problem"),
    [
        ("id int, a int", "id int primary key, x int", "public.t has no primary key"),
        ("id int primary key, a int", "id int, x int", "public.t has no primary key"),
        ("id int, a int primary key", "id int primary key, x int not null", "the primary key of public.t is (a)"),
        ("id int primary key, a int not null", "id int, x int, primary key (id, x)", "of public.t is (id, x)"),
    ],
)
def test_the_key_is_the_primary_key_on_both_sides(sides: Sides, monolith: str, service: str, problem: str) -> None:
    found = check(sides, f"create table t ({monolith})", f"create table t ({service})", column("a"))
    assert any(problem in line for line in found), found


PARTS = {"public.t": {"id": "id"}, "public.part": {"t_id": "id", "n": {"rename": "a", "absent": "0"}}}


def test_a_parts_key_is_its_primary_key(sides: Sides) -> None:
    service = "create table t (id int primary key); create table part (t_id int not null, n int not null primary key)"
    found = check(sides, NUMBERED.format("a int not null"), service, {"monolith": "public.t", "service": PARTS})
    assert found == ["public.t → public.part: the key of the lens is (t_id), the primary key of public.part is (n)"]


@pytest.mark.parametrize(
    ("absent", "problem"),
    [
        (None, "needs a value while the part has no row"),
        ("none", '"none" is not how integer writes a value'),
        (-1, 'a CHECK forbids "-1" in a'),
    ],
)
def test_a_part_says_what_its_absence_means(sides: Sides, absent: object, problem: str) -> None:
    service = "create table t (id int primary key); create table part (t_id int primary key, n int not null)"
    parts = {"public.t": {"id": "id"}, "public.part": {"t_id": "id", "n": {"rename": "a", "absent": absent}}}
    monolith = NUMBERED.format("a int not null check (a >= 0)")
    (found,) = check(sides, monolith, service, {"monolith": "public.t", "service": parts})
    assert problem in found


@pytest.mark.parametrize(
    ("monolith", "service", "problem"),
    [
        ("a int, b int, check ((b is null) = (a is null))", "x int not null, y int not null", ""),
        ("a int, b int, check ((a is null) = (b is null))", "x int not null, y int not null", ""),
        ("a int, b int", "x int not null, y int not null", "b may have a value while there is no row of public.part"),
        (
            "a int, b int, check ((a is null) = (b is null) or a > 5)",
            "x int not null, y int not null",
            "b may have a value while there is no row of public.part",
        ),
        (
            "a int, b int, check ((a is null) = (b is null))",
            "x int, y int not null",
            "not invertible: x may be NULL in a row",
        ),
        (
            "a int not null, b int, check ((a is null) = (b is null))",
            "x int not null, y int not null",
            "a needs a value while the part has no row",
        ),
    ],
)
def test_an_optional_part_is_null_as_a_whole_or_not_at_all(
    sides: Sides, monolith: str, service: str, problem: str
) -> None:
    parts = {"public.t": {"id": "id"}, "public.part": {"t_id": "id", "x": "a", "y": "b"}}
    entry = {"monolith": "public.t", "service": parts, "optional": {"public.part": "a"}}
    tables = f"create table t (id int primary key); create table part (t_id int primary key, {service})"
    found = check(sides, NUMBERED.format(monolith), tables, entry)
    assert len(found) == bool(problem)
    assert problem in "".join(found)


def test_partitions_domains_and_odd_names_are_read_as_what_they_are(sides: Sides) -> None:
    monolith = """
        create domain kind as varchar(1) not null check (value <> '');
        create table "T t" ("the key" uuid, day date, "no" kind check ("no" in ('D', 'W')),
                            primary key ("the key", day)) partition by range (day);
        create table "T 1" partition of "T t" for values from (minvalue) to ('2026-01-01');
        create table "T 2" partition of "T t" for values from ('2026-01-01') to (maxvalue);
    """
    service = """
        create type kind as enum ('deposit', 'withdrawal');
        create table t (key uuid, day date, kind kind not null, primary key (day, key));
    """
    columns = {"key": "the key", "day": "day", "kind": {"enum": "no", "values": {"D": "deposit", "W": "withdrawal"}}}
    entry = {"monolith": "public.T t", "key": ["the key", "day"], "service": {"public.t": columns}}
    assert check(sides, monolith, service, entry) == []


WIDE = "create table t (id int primary key, a boolean not null, b boolean not null)"
OWNER = "create table o (id int primary key);"
ROWS = {"a": {"c": "x", "d": "1", "absent": False}, "b": {"c": "y", "d": "2", "absent": False}}
CONFINED = "check ((c, d) in (('x', '1'), ('y', '2')))"


def pivot(rows: object = ROWS) -> dict[str, Any]:
    pivoted = {"id": "id", "pivot": {"rows": rows, "value": "v"}}
    return {"monolith": "public.t", "service": {"public.o": {"id": "id"}, "public.p": pivoted}}


@pytest.mark.parametrize(
    "confined",
    [
        CONFINED,
        "check (c = 'x' and d = '1' or c = 'y' and d = '2')",
        "check (c in ('x', 'y')), check (d in ('1', '2')), check (not (c = 'x' and d = '2')),"
        " check (c = 'x' or d <> '1')",
    ],
)  # fmt: skip
@pytest.mark.parametrize("type_name", ["text", "varchar(3)"])
def test_a_pivot_whose_labels_are_confined_is_accepted(sides: Sides, type_name: str, confined: str) -> None:
    service = f"create table p (id int, c {type_name}, d text, v boolean not null, primary key (id, c, d), {confined})"
    assert check(sides, WIDE, OWNER + service, pivot()) == []


@pytest.mark.parametrize(
    ("service", "problem"),
    [
        ("v boolean not null, primary key (id, c, d)", "c may hold other values; a CHECK must confine it to x, y"),
        ("v boolean not null, primary key (id, c, d), check (c in ('x', 'y')), check (d in ('1', '2', '3'))",
         "d may hold other values; a CHECK must confine it to 1, 2"),
        ("v boolean not null, primary key (id, c, d), check (c in ('x', 'y')), check (d in ('1', '2'))",
         "not total: public.p may have a row with c \"x\", d \"2\"; add CHECK (not (c = 'x' and d = '2'))"),
        ("v boolean not null, primary key (id, c, d), check (c = 'x' and d = '1')", 'a CHECK forbids "y" in c'),
        ("v boolean not null, primary key (id, c, d), check (c in ('x', 'y')), check (d in ('1', '2')),"
         " check (not (c = 'x' and d = '1'))",
         'not invertible: a CHECK forbids a row with c "x", d "1"'),
        (f"v boolean not null, primary key (id), {CONFINED}", "the key of the lens is (id, c, d)"),
        (f"v boolean not null, primary key (id, c), {CONFINED}", "the key of the lens is (id, c, d)"),
        (f"v text not null, primary key (id, c, d), {CONFINED}", "a is boolean, v is text: use cast"),
        (f"v boolean, primary key (id, c, d), {CONFINED}", "not invertible: v may be NULL, a may not"),
        (f"v boolean not null, w int, primary key (id, c, d), {CONFINED}", "w of public.p is not mapped"),
        (f"primary key (id, c, d), {CONFINED}", "public.p has no column v"),
    ],
)  # fmt: skip
def test_a_pivot_that_does_not_fit_is_refused(sides: Sides, service: str, problem: str) -> None:
    found = check(sides, WIDE, f"{OWNER} create table p (id int, c text, d text, {service})", pivot())
    assert any(problem in line for line in found), found
    assert len(found) == len(set(found))


def test_a_discriminator_is_an_enum_or_a_text(sides: Sides) -> None:
    service = f"create table p (id int, c char(1), d text, v boolean not null, primary key (id, c, d), {CONFINED})"
    (found,) = check(sides, WIDE, OWNER + service, pivot())
    assert "c is character(1); a discriminator is an enum, text or varchar" in found


def test_a_pivot_says_what_a_missing_row_means_and_leaves_no_column_out(sides: Sides) -> None:
    rows = {"a": {"c": "x", "d": "1"}, "b": {"c": "y", "d": "2", "absent": False}}
    service = f"create table p (id int, c text, d text, v boolean not null, primary key (id, c, d), {CONFINED})"
    wide = WIDE.replace("b boolean", "e boolean not null, b boolean")
    assert sorted(check(sides, wide, OWNER + service, pivot(rows))) == [
        "public.t → public.p.v: a needs a value while the part has no row: `v: {…: a, absent: value}`",
        "public.t: e of public.t is not mapped",
    ]


def test_a_text_that_is_no_value_of_its_type_hides_nothing_else(sides: Sides):
    """All that a check asks of one side goes there together: one answer is an error, the others must still come."""
    monolith = "id int primary key, kind int not null, flag text not null, word text not null check (word = 'a')"
    entry = {
        "monolith": "public.t",
        "service": {"public.t": {"id": "id"}},
        "monolith_only": {"kind": {"constant": "many"}, "flag": {"constant": "x"}, "word": {"constant": "a"}},
    }
    found = check(sides, f"create table t ({monolith})", "create table t (id int primary key)", entry)
    assert found == [
        'public.t: kind: "many" is not how integer writes a value',
        "public.t: flag: not invertible: flag may hold other values; add CHECK (flag = 'x')",
    ]


def test_a_check_asks_each_database_a_handful_of_times_and_keeps_no_lock(sides: Sides, tmp_path: Path):
    """Round trips are what a check costs; the planner's proofs lock the tables that they are about."""
    names = [f"t{number}" for number in range(6)]
    table = "create table {} (id int primary key, a text not null check (a in ('one', 'two')))"
    for connection in sides:
        connection.execute(";".join(table.format(name) for name in names))
    column = {"enum": "a", "values": {"one": "one", "two": "two"}}
    lens = Lens.parse(
        [{"monolith": f"public.{n}", "service": {f"public.{n}": {"id": "id", "a": column}}} for n in names]
    )
    with (tmp_path / "sent").open("w+") as sent, sides[0].transaction(), sides[1].transaction():
        sides[0].pgconn.trace(sent.fileno())
        assert lens.check(*sides) == []
        sides[0].pgconn.untrace()
        locks = "select count(*) from pg_locks where pid = pg_backend_pid() and relation::regclass::text = any(%s)"
        assert [side.execute(locks, [names]).fetchone() for side in sides] == [(0,), (0,)]
        sent.seek(0)
        messages = [line for line in sent if line.split("\t")[1:2] == ["F"]]
    assert 0 < len(messages) < 10, messages
