"""Forward and back is where one began, for any rows; what has no counterpart is refused loudly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection, sql

from cdc.comparing.compare import compare
from cdc.lens import Lens
from cdc.projection import Direction
from tests.integration.cdc.lens import schemas
from tests.integration.cdc.lens.carry import by_copy, by_values
from tests.support.postgres import PostgresServer

Sides = tuple[Connection[Any], Connection[Any]]
LENS = Lens.parse(schemas.TABLES)
INT4, INT8 = 2**31, 2**63


@pytest.fixture(scope="module")
def sides(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[Sides]:
    made = (monolith_server.create_database("lens_monolith"), services_server.create_database("lens_service"))
    with psycopg.connect(made[0], autocommit=True) as monolith, psycopg.connect(made[1], autocommit=True) as service:
        monolith.execute(schemas.MONOLITH)
        service.execute(schemas.SERVICE)
        yield monolith, service


def test_the_lens_of_these_tests_is_total_and_invertible(sides: Sides) -> None:
    assert LENS.check(*sides) == []


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
maybe = st.none
instants = st.one_of(
    st.sampled_from(["infinity", "-infinity", "4713-01-02 00:00:00 BC", "294276-12-30 23:59:59.999999", "epoch"]),
    st.datetimes().map(lambda value: value.isoformat()),
)
doubles = st.one_of(
    st.floats(allow_nan=True).map(str), st.sampled_from(["-0", "0.1", "5e-324", "1.7976931348623157e308"])
)
numerics = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=7).map(str),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "1.10", "1.1", "0.00", "9" * 39, "0." + "0" * 40 + "1"]),
)


def hundredths(digits: int) -> st.SearchStrategy[str]:
    return st.integers(1 - 10**digits, 10**digits - 1).map(
        lambda n: f"{'-' * (n < 0)}{abs(n) // 100}.{abs(n) % 100:02}"
    )


def cents() -> st.SearchStrategy[str]:
    return st.integers(1 - 10**12, 10**12 - 1).map(str)


def integers(bound: int) -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from([-bound, bound - 1, 0]), st.integers(-bound, bound - 1)).map(str)


common = {
    "at": maybe() | instants,
    "ratio": maybe() | doubles,
    "exact": maybe() | numerics,
    "document": maybe() | st.sampled_from(['{"b": 12345678901234567890, "a": [null, "é"]}', '"x"', "null", "1.50"]),
    "bytes": maybe() | st.binary(max_size=9).map(lambda value: "\\x" + value.hex()),
    "list": maybe() | st.sampled_from(["{}", '{"",NULL,"NULL","a,b","\\"q\\""}', "{{a,b},{c,d}}"]),
    "span": maybe() | st.sampled_from(["1 mon -1 days", "-00:00:00.000001", "0", "178000000 years"]),
}
monolith_row = st.fixed_dictionaries({
    "name": maybe() | texts, "short": maybe() | texts, "price": maybe() | hundredths(12), "total": hundredths(12),
    "small": integers(INT4), "large": maybe() | integers(INT8), "at_local": maybe() | instants,
    "mood": maybe() | st.sampled_from(["merry", "it's so {so}", "100 %"]), "kind": st.sampled_from("DW"),
    "open": st.sampled_from(["t", "f"]), "paid": st.sampled_from(["t", "f"]), "stock": integers(INT4),
    "remark": maybe() | texts, "site": st.just("north"),
    "phones": maybe() | st.fixed_dictionaries({"phone": texts, "phone at": instants}), **common,
})  # fmt: skip
service_row = st.fixed_dictionaries({
    "label": maybe() | texts, "short": maybe() | texts, "price_cents": maybe() | cents(),
    "total_tenths": cents(), "small": integers(INT4), "large": maybe() | integers(INT8),
    "at_local": maybe() | instants, "feeling": maybe() | st.sampled_from(["glad", "so-so", "full"]),
    "kind": st.sampled_from(["deposit", "withdrawal"]), "stage": st.sampled_from(["new", "open", "paid", "done"]),
    "currency": st.just("EUR"), **common,
})  # fmt: skip
verified_row = st.fixed_dictionaries({"number": texts, "at": instants, "country": st.just("DE")})
stocked_row = st.fixed_dictionaries({"available": integers(INT4), "remark": maybe() | texts})

with_servers = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ways = pytest.mark.parametrize("carry", [by_copy, by_values])
Row = dict[str, str | None]
Carry = Callable[[Connection[Any], Connection[Any], Any], None]


def rows_of(connection: Connection[Any], query: str) -> list[Any]:
    connection.execute("set timezone = 'UTC'")
    return connection.execute(query.encode()).fetchall()


def insert(
    connection: Connection[Any], table: str, key: Mapping[str, str | None], row: Mapping[str, str | None]
) -> None:
    values = {**key, **row}
    query = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(sql.Placeholder() * len(values)),
    )
    connection.execute(query, list(values.values()))


def set_apart(sides: Sides) -> None:
    """What a lens makes of a value must not depend on the session; comparing has made both alike."""
    sides[0].execute("set timezone = 'Asia/Kolkata'")
    sides[1].execute("set timezone = 'America/St_Johns'")


def to_service(sides: Sides, carry: Carry) -> None:
    set_apart(sides)
    sides[1].execute(schemas.EMPTY_SERVICE)
    for projection in LENS.projections(Direction.TO_SERVICE):
        carry(sides[0], sides[1], projection)


def to_monolith(sides: Sides, carry: Carry) -> None:
    set_apart(sides)
    sides[0].execute(schemas.EMPTY_MONOLITH)
    for projection in LENS.projections(Direction.TO_MONOLITH):
        carry(sides[1], sides[0], projection)


@ways
@with_servers
@given(rows=st.lists(monolith_row, min_size=1, max_size=4))
def test_rows_of_the_monolith_come_back_as_they_were(sides: Sides, carry: Carry, rows: list[dict[str, Any]]) -> None:
    sides[0].execute(schemas.EMPTY_MONOLITH)
    for number, row in enumerate(rows):
        insert(sides[0], "odd Table", {"the id": str(number)} | (row.pop("phones") or {}), row)
    before = rows_of(sides[0], schemas.MONOLITH_ROWS)
    to_service(sides, carry)
    assert compare(*sides, LENS.projections(Direction.TO_SERVICE)).differences == ()
    to_monolith(sides, carry)
    assert rows_of(sides[0], schemas.MONOLITH_ROWS) == before


@ways
@with_servers
@given(rows=st.lists(st.tuples(service_row, stocked_row, maybe() | verified_row), min_size=1, max_size=4))
def test_rows_of_the_service_come_back_as_they_were(
    sides: Sides, carry: Carry, rows: list[tuple[Row, Row, Row | None]]
) -> None:
    sides[1].execute(schemas.EMPTY_SERVICE)
    for number, (thing, stocked, verified) in enumerate(rows):
        insert(sides[1], "thing", {"id": str(number)}, thing)
        insert(sides[1], "stocked", {"thing_id": str(number)}, stocked)
        if verified is not None:
            insert(sides[1], "verified", {"id": str(number)}, verified)
    before = rows_of(sides[1], schemas.SERVICE_ROWS)
    to_monolith(sides, carry)
    found = compare(sides[1], sides[0], LENS.projections(Direction.TO_SERVICE), Direction.TO_MONOLITH)
    assert found.differences == ()
    to_service(sides, carry)
    assert rows_of(sides[1], schemas.SERVICE_ROWS) == before


PLAIN = {
    "label": "x", "total_tenths": "1", "small": "1", "kind": "deposit", "stage": "new", "currency": "EUR",
}  # fmt: skip


@ways
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"feeling": "sad"}, "no counterpart of feeling = sad"),
        ({"stage": "lost"}, "no counterpart of stage = lost"),
        ({"small": str(INT4)}, "integer out of range"),
        ({"large": "9" * 19}, "bigint out of range"),
        ({"price_cents": str(10**12)}, "numeric field overflow"),
        ({"short": "x" * 21}, "value too long for type character varying(20)"),
    ],
)
def test_a_value_without_a_counterpart_stops_the_row(
    sides: Sides, carry: Carry, change: dict[str, str], said: str
) -> None:
    """Labels may be added to an enum at any time; a number may be larger than the other side's type."""
    sides[1].execute(
        "alter type feeling add value if not exists 'sad'; alter type stage add value if not exists 'lost'"
    )
    sides[1].execute(schemas.EMPTY_SERVICE)
    insert(sides[1], "thing", {"id": "1"}, PLAIN | change)
    with pytest.raises(psycopg.DataError, match=said.replace("(", r"\(").replace(")", r"\)")):
        to_monolith(sides, carry)
    assert rows_of(sides[0], schemas.MONOLITH_ROWS) == []
