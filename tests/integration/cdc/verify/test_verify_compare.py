"""The comparison names what differs, and nothing else, whatever the keys and however the servers are set up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from cdc.comparing.compare import compare
from cdc.comparing.difference import SHOWN_CHARACTERS, Difference, Kind
from cdc.errors import CatalogueError, ComparisonFailed
from cdc.lens import Lens
from cdc.projection import Direction
from tests.support.postgres import PostgresServer

Sides = tuple[Connection[Any], Connection[Any]]


@pytest.fixture(scope="module")
def servers(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[Sides]:
    with (
        psycopg.connect(monolith_server.create_database("verify_monolith"), autocommit=True) as monolith,
        psycopg.connect(services_server.create_database("verify_service"), autocommit=True) as service,
    ):
        yield monolith, service


@pytest.fixture
def sides(servers: Sides) -> Sides:
    for connection in servers:
        connection.execute("reset all; drop schema public cascade; create schema public")
    return servers


def both(sides: Sides, statement: str) -> None:
    for connection in sides:
        connection.execute(statement.encode())


def lens(key: list[str], *columns: str) -> Lens:
    mapped = {name: name for name in (*key, *columns)}
    return Lens.parse([{"monolith": "public.t", "key": key, "service": {"public.t": mapped}}])


def found(sides: Sides, seen_through: Lens, **how: Any) -> list[str]:
    report = compare(*sides, seen_through.projections(Direction.TO_SERVICE), **how)
    return [str(difference) for difference in report.differences]


KEYS = {
    "bigint": "(n * 7919 % 100003)::bigint",
    "uuid": "md5(n::text)::uuid",
    "text": "chr(64 + n % 60) || n",
    "varchar(9)": "chr(90 - n % 60) || n",
    "char(9)": "n::text",
    "timestamptz": "'2026-01-01Z'::timestamptz + n * interval '1 ms'",
    "numeric": "n / 3.0",
    "shade": "(array['dark', 'light'])[1 + n % 2]::shade",
}


@pytest.mark.parametrize("chunk_rows", [1, 7, 1000])
@pytest.mark.parametrize("type_name", sorted(set(KEYS) - {"shade"}))
def test_one_changed_byte_is_named_for_any_type_of_key(sides: Sides, type_name: str, chunk_rows: int) -> None:
    both(sides, f"create table t (k {type_name} primary key, x text); "
                f"insert into t select {KEYS[type_name]}, 'x' || n from generate_series(1, 40) n")  # fmt: skip
    assert found(sides, lens(["k"], "x"), chunk_rows=chunk_rows) == []
    sides[1].execute("update t set x = 'y23' where x = 'x23'")
    [(key,)] = sides[1].execute("select k::text from t where x = 'y23'").fetchall()
    assert found(sides, lens(["k"], "x"), chunk_rows=chunk_rows) == [
        f'public.t (k {key}), x: source "x23", target "y23"'
    ]


@pytest.mark.parametrize("chunk_rows", [1, 5, 1000])
def test_composite_keys_are_chunked_without_gap_or_overlap(sides: Sides, chunk_rows: int) -> None:
    """The enum's labels have another order on the service's side, and the text sorts by another collation."""
    sides[0].execute("create type shade as enum ('dark', 'light')")
    sides[1].execute("create type shade as enum ('light', 'dark')")
    sides[0].execute('create table t (a uuid, b shade, c text collate "C", x int, primary key (a, b, c))')
    sides[1].execute('create table t (a uuid, b shade, c text collate "und-x-icu", x int, primary key (c, a, b))')
    both(sides, "insert into t select md5((n / 9)::text)::uuid, (array['dark', 'light'])[1 + n % 2]::shade,"
                " (array['a', 'B', 'ä', 'Z', ''])[1 + n % 5], n from generate_series(1, 40) n")  # fmt: skip
    seen_through = lens(["a", "b", "c"], "x")
    report = compare(*sides, seen_through.projections(Direction.TO_SERVICE), chunk_rows=chunk_rows)
    assert (report.rows, report.differences, report.is_complete) == (40, (), True)
    sides[1].execute("delete from t where x = 17")
    sides[0].execute("delete from t where x = 18")
    sides[1].execute("update t set x = -1 where x = 19")
    kinds = [line.partition(")")[2] for line in found(sides, seen_through, chunk_rows=chunk_rows)]
    assert sorted(kinds) == [", x: source \"19\", target \"-1\"", ": missing", ": surplus"]  # fmt: skip


def test_rows_before_the_first_and_after_the_last_key_are_found(sides: Sides) -> None:
    both(sides, "create table t (k int primary key, x int); insert into t select n, n from generate_series(10, 20) n")
    sides[1].execute("insert into t values (1, 1), (99, 1)")
    expected = ["public.t (k 1): surplus", "public.t (k 99): surplus"]
    assert sorted(found(sides, lens(["k"], "x"), chunk_rows=3)) == expected
    sides[0].execute("delete from t")
    assert len(found(sides, lens(["k"], "x"), chunk_rows=3)) == 13
    sides[1].execute("delete from t")
    assert found(sides, lens(["k"], "x")) == []


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("NULL", "''", 'source NULL, target ""'),
        ("'a'", "NULL", 'source "a", target NULL'),
        ("'a'", "'a '", 'source "a", target "a "'),
        ("'ﬁ'", "'fi'", 'source "ﬁ", target "fi"'),
        ("'(,)'", "'\",\"'", 'source "(,)", target "",""'),
    ],
)
def test_null_empty_and_lookalikes_are_different(sides: Sides, one: str, other: str, shown: str) -> None:
    both(sides, "create table t (k int primary key, x text, y text)")
    sides[0].execute(f"insert into t values (1, {one}, 'b')".encode())
    sides[1].execute(f"insert into t values (1, {other}, 'b')".encode())
    assert found(sides, lens(["k"], "x", "y")) == [f"public.t (k 1), x: {shown}"]


def test_values_that_moved_to_the_next_column_are_different(sides: Sides) -> None:
    both(sides, "create table t (k int primary key, x text, y text)")
    sides[0].execute("insert into t values (1, 'a,b', 'c')")
    sides[1].execute("insert into t values (1, 'a', 'b,c')")
    assert len(found(sides, lens(["k"], "x", "y"))) == 2


def test_values_that_a_collation_calls_equal_are_different(sides: Sides) -> None:
    both(
        sides,
        """create collation blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
                   create table t (k int primary key, x text collate blind not null, y text collate blind)""",
    )
    sides[0].execute("insert into t values (1, 'cafe', 'a'), (2, 'b', 'naive'), (3, 'c', 'c')")
    sides[1].execute("insert into t values (1, 'CAFÉ', 'a'), (2, 'b', 'naïve'), (3, 'c', 'c')")
    assert found(sides, lens(["k"], "x", "y")) == [
        'public.t (k 1), x: source "cafe", target "CAFÉ"',
        'public.t (k 2), y: source "naive", target "naïve"',
    ]


def test_equal_rows_are_equal_whatever_the_sessions_settings(sides: Sides) -> None:
    both(sides, """
        create table t (k timestamptz primary key, a timestamp, b interval, c float8, d bytea, e date, f money);
        insert into t values ('2026-03-04 14:06:07.5Z', '2026-05-06',
                              '1 mon -1 day', 0.1, '\\x00ff', '2026-03-04', 1.5);
    """)  # fmt: skip
    sides[0].execute("set datestyle = 'German'; set timezone = 'Asia/Tokyo'; set intervalstyle = 'sql_standard'")
    sides[1].execute("set extra_float_digits = -10; set bytea_output = 'escape'; set datestyle = 'SQL, DMY'")
    assert found(sides, lens(["k"], *"abcdef")) == []


def test_long_values_are_cut_where_they_differ() -> None:
    from cdc.comparing.difference import cut

    same = "s" * 1000
    one, other = cut(same + "1" + same, same + "2" + same)
    assert one is not None
    assert other is not None
    assert len(one) <= SHOWN_CHARACTERS
    assert len(other) <= SHOWN_CHARACTERS
    assert one != other
    assert cut("a", same) == ("a", "s" * (SHOWN_CHARACTERS - 1) + "…")


def test_only_so_many_differences_are_fetched_and_the_report_says_so(sides: Sides) -> None:
    both(sides, "create table t (k int primary key, x int); insert into t select n, n from generate_series(1, 500) n")
    sides[1].execute("update t set x = -x")
    report = compare(*sides, lens(["k"], "x").projections(Direction.TO_SERVICE), limit=10, chunk_rows=50)
    assert (report.count, report.is_complete) == (10, False)


def test_progress_counts_rows_up_to_their_number(sides: Sides) -> None:
    both(sides, "create table t (k int primary key, x int); insert into t select n, n from generate_series(1, 100) n")
    both(sides, "analyze t")
    seen: list[tuple[int, int]] = []
    compare(
        *sides, lens(["k"], "x").projections(Direction.TO_SERVICE), unit_bytes=2000,
        on_rows=lambda done, expected: seen.append((done, expected)),
    )  # fmt: skip
    assert seen == [(26, 100), (51, 100), (76, 100), (100, 100)]


def test_either_direction_names_the_same_row_from_its_own_source(sides: Sides) -> None:
    sides[0].execute(
        "create table goods (id int primary key, price numeric(9,2), off boolean not null, n int not null)"
    )
    sides[1].execute("create table good (id int primary key, cents bigint,"
                     " state text not null check (state in ('on', 'off')));"
                     "create table stock (good_id int primary key, n int not null)")  # fmt: skip
    good = {"id": "id", "cents": {"scale": "price", "by": 100},
            "state": {"flags": ["off"], "values": {"false": "on", "true": "off"}}}  # fmt: skip
    parts = {"public.good": good, "public.stock": {"good_id": "id", "n": {"rename": "n", "absent": 0}}}
    seen_through = Lens.parse([{"monolith": "public.goods", "service": parts}])
    assert seen_through.check(*sides) == []
    sides[0].execute("insert into goods values (1, 1.5, true, 3), (2, 2, false, 0), (3, null, false, 1)")
    sides[1].execute("insert into good values (1, 150, 'off'), (2, 201, 'on'), (3, null, 'on')")
    sides[1].execute("insert into stock values (1, 3), (3, 1), (4, 1)")
    image = seen_through.projections(Direction.TO_SERVICE)
    good_2 = "public.good", (("id", "2"),), "cents", Kind.DIFFERS
    stock_2 = "public.stock", (("good_id", "2"),), None
    stock_4 = "public.stock", (("good_id", "4"),), None
    forth = compare(*sides, image, Direction.TO_SERVICE).differences
    assert [flat(d) for d in forth] == [(*good_2, "200", "201"), (*stock_2, Kind.MISSING, None, None),
                                        (*stock_4, Kind.SURPLUS, None, None)]  # fmt: skip
    back = compare(sides[1], sides[0], image, Direction.TO_MONOLITH).differences
    assert [flat(d) for d in back] == [(*good_2, "201", "200"), (*stock_2, Kind.SURPLUS, None, None),
                                       (*stock_4, Kind.MISSING, None, None)]  # fmt: skip


def flat(difference: Difference) -> tuple[object, ...]:
    return (
        str(difference.table),
        difference.key,
        difference.column,
        difference.kind,
        difference.source,
        difference.target,
    )


def test_a_value_without_counterpart_ends_the_comparison_with_its_name(sides: Sides) -> None:
    sides[0].execute("create table t (id int primary key, x text); insert into t values (1, 'z')")
    sides[1].execute("create table t (id int primary key, x text); insert into t values (1, 'a')")
    columns = {"id": "id", "x": {"enum": "x", "values": {"y": "a"}}}
    seen_through = Lens.parse([{"monolith": "public.t", "service": {"public.t": columns}}])
    with pytest.raises(ComparisonFailed, match=r"public\.t cannot be compared.*a value of x has no counterpart$"):
        found(sides, seen_through)


def test_a_table_that_is_gone_is_named(sides: Sides) -> None:
    sides[0].execute("create table t (k int primary key)")
    with pytest.raises(CatalogueError, match=r"table public\.t does not exist"):
        found(sides, lens(["k"]))
    sides[1].execute("create table t (k int primary key)")
    with pytest.raises(CatalogueError, match=r"table public\.t has no column x"):
        found(sides, lens(["k"], "x"))


def test_labels_with_percent_signs_and_braces_compare(sides: Sides) -> None:
    both(sides, """create table "100 %" ("k%s" int primary key, "x {}y" text); insert into "100 %" values (1, '%s')""")
    both(sides, 'alter table "100 %" rename column "x {}y" to "x%y"')
    columns = {"k%s": "k%s", "x%y": {"enum": "x%y", "values": {"%s": "%s", "{}": "{a}"}}}
    seen_through = Lens.parse([{"monolith": "public.100 %", "key": ["k%s"], "service": {"public.100 %": columns}}])
    assert found(sides, seen_through) == []
