"""A lens is refused with one clear message for each problem that shows without a database."""

from __future__ import annotations

from typing import Any

import pytest

from cdc.errors import LensError
from cdc.lens import Lens

GOOD = "public.good"
STATUS = {"false,false": "a", "true,false": "b", "false,true": "c", "true,true": "d"}


def table(**changes: Any) -> dict[str, Any]:
    return {"monolith": "shop.goods", "service": {"public.good": {"id": "id"}}} | changes


def with_part(optional: str, **columns: Any) -> dict[str, Any]:
    return table(
        service={GOOD: {"id": "id"}, "public.more": {"id": "id", **columns}}, optional={"public.more": optional}
    )


def problems(*entries: object) -> list[str]:
    with pytest.raises(LensError) as refusal:
        Lens.parse(entries)
    assert refusal.value.code == "lens-invalid"
    assert refusal.value.next_step
    return list(refusal.value.problems)


def with_column(written: object) -> dict[str, Any]:
    return table(service={GOOD: {"id": "id", "x": written}})


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({"pivot": "a"}, "needs exactly one combinator"),
        ({"cast": "a", "scale": "b", "by": 100}, "needs exactly one combinator"),
        ({"scale": "a", "by": 100, "round": True}, "unknown key `round`"),
        ({"scale": "a"}, "`by` is missing"),
        ({"scale": "a", "by": 60}, "power of ten"),
        ({"scale": "a", "by": 1}, "power of ten"),
        ({"cast": "a", "to": "bigint"}, "`back` is missing"),
        ({"cast": "a", "to": "date", "back": "timestamptz"}, "can lose values"),
        ({"cast": "a", "to": "jsonb", "back": "json"}, "can lose values"),
        ({"cast": "a", "to": "uuid", "back": "text"}, "can lose values"),
        ({"cast": "a", "to": "integer", "back": "text"}, "can lose values"),
        ({"cast": "a", "to": "real", "back": "double precision"}, "can lose values"),
        ({"cast": "a", "to": "numeric(10,1)", "back": "numeric(10,2)"}, "can lose values"),
        ({"cast": "a", "to": "timestamptz(3)", "back": "timestamp"}, "can lose values"),
        ({"enum": "a", "values": {"x": "one", "y": "one"}}, 'two values become "one"'),
        ({"enum": "a", "values": {}}, "`values` is"),
        ({"enum": "a", "values": {True: "on"}}, "write it in quotes"),
        ({"flags": ["a"], "values": {"false": "no"}}, 'not total: the state "true" has no value'),
        ({"flags": ["a", "b"], "values": STATUS | {"true": "e"}}, '"true" is not a state of 2 flags'),
        ({"flags": ["a", "b"], "values": STATUS | {"true,true": "a"}}, 'two values become "a"'),
        ({"flags": "a", "values": STATUS}, "`flags` is a list"),
        ({"constant": 1.5}, "write it in quotes"),
        ({"constant": None}, "write it in quotes"),
        ({"rename": "a", "absent": 0}, "`absent` belongs to a part"),
        ("a.b", "cannot name the column"),
        ("a{b}", "cannot name the column"),
        (17, "neither a monolith column nor a combinator"),
        ([], "neither a monolith column nor a combinator"),
        ({"rename": 5}, "not a column name"),
    ],
)  # fmt: skip
def test_a_column_that_cannot_be_meant_is_named(written: object, problem: str) -> None:
    (found,) = problems(with_column(written))
    assert found.startswith("shop.goods → public.good.x: ")
    assert problem in found


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("goods", "a table needs"),
        ({"monolith": "shop.goods"}, "a table needs"),
        (table(monolith="goods"), "write schema.table"),
        (table(monolith=None), "write schema.table"),
        (table(service={"good": {"id": "id"}}), "write schema.table"),
        (table(filter="x > 1"), "unknown key `filter`"),
        (table(key="id"), "`key` is a list"),
        (table(key=["id", "kind"]), "key column kind must be mapped by rename"),
        (table(service={GOOD: {"id": {"scale": "id", "by": 10}}}), "must be mapped by rename"),
        (table(service={GOOD: {"id": "id", "number": "id"}}), "key column id is mapped 2 times"),
        (table(service={GOOD: {"id": "id", "a": "x", "b": "x"}}), "column x is mapped 2"),
        (table(service={GOOD: {"id": "id", "a": "x"}, "public.more": {"id": "id", "b": "x"}}), "column x is mapped 2"),
        (table(service={GOOD: {"id": "id"}, "public.more": {"a": "x"}}), "public.more: key column id must be mapped"),
        (table(service={GOOD: {"id": "id"}, "public.more": {"id": "id"}}), "a part needs columns besides the key"),
        (table(service={GOOD: {}}), "needs columns"),
        (table(optional="public.more"), "`optional` is"),
        (table(optional={GOOD: "a"}), "`optional` names public.good, which is no part"),
        (table(optional={"public.more": "a"}), "`optional` names public.more, which is no part"),
        (with_part("b", x="a"), "`optional` names b, which is none of its columns"),
        (with_part("id", x="a"), "`optional` names id, which is none of its columns"),
        (with_part("a", x={"rename": "a", "absent": 0}), "public.more.x: `absent` is NULL where a row is optional"),
        (table(monolith_only={"x": "a"}), "only a constant"),
        (table(monolith_only=["x"]), "`monolith_only` is"),
        (table(monolith_only={"x": {"constant": 1}}, service={GOOD: {"id": "id", "a": "x"}}), "column x is mapped 2"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_meant_is_named(entry: object, problem: str) -> None:
    (found,) = problems(entry)
    assert problem in found


def test_all_problems_are_listed_at_once() -> None:
    wrong = with_column({"pivot": "a"})
    assert len(problems(wrong, table(monolith="goods"), table(filter="x"))) == 5  # Both tables are there twice, too.


def test_a_table_is_mapped_once_on_each_side() -> None:
    assert problems(table(), table()) == [
        "monolith table shop.goods is mapped 2 times",
        "service table public.good is mapped 2 times",
    ]


def test_a_lens_without_tables_is_refused() -> None:
    assert problems() == ["tables: no table is named"]
