"""What a pivot compiles to, and why one is refused without a database."""

from __future__ import annotations

from typing import Any

import pytest

from cdc.errors import LensError
from cdc.lens import Lens
from cdc.projection import Direction, Role, Table

OWNER = {"user_id": "user_id", "updated_at": "updated_at"}
ROWS = {
    "email_orders": {"channel": "email", "topic": "orders", "absent": True},
    "sms_orders": {"channel": "sms", "topic": "orders"},
}
PREFERENCE = Table("public", "preference")


def entry(rows: object = ROWS, value: object = "enabled", owner: object = OWNER, **columns: object) -> dict[str, Any]:
    pivoted = {"user_id": "user_id", "pivot": {"rows": rows, "value": value}, **columns}
    return {
        "monolith": "public.wide",
        "key": ["user_id"],
        "service": {"public.owner": owner, "public.preference": pivoted},
    }


def test_forward_each_column_is_a_row_with_its_labels() -> None:
    _, *slices = Lens.parse([entry()]).projections(Direction.TO_SERVICE)
    assert [(p.target, p.role, p.key) for p in slices] == [(PREFERENCE, Role.PRIMARY, (("user_id", "user_id"),))] * 2
    assert slices[1].pinned == (("channel", "sms"), ("topic", "orders"))
    assert [column.target for column in slices[1].columns] == ["user_id", "channel", "topic", "enabled"]
    assert slices[1].select() == (
        """SELECT "user_id" AS "user_id", 'sms'::text AS "channel", 'orders'::text AS "topic","""
        """ "sms_orders" AS "enabled" FROM "public"."wide\""""
    )


def test_backward_a_row_is_a_part_that_fills_the_column_of_its_labels() -> None:
    owner, *slices = Lens.parse([entry()]).projections(Direction.TO_MONOLITH)
    assert owner.reset == (("email_orders", "'true'"), ("sms_orders", "NULL"))
    assert [p.role for p in slices] == [Role.PART] * 2
    assert slices[0].reset == (("email_orders", "'true'"),)
    assert [column.target for column in slices[0].columns] == ["user_id", "email_orders"]
    assert (
        slices[0]
        .select()
        .endswith(""" WHERE "channel"::text COLLATE "C" = 'email' AND "topic"::text COLLATE "C" = 'orders'""")
    )


def test_the_pivoted_table_is_one_table() -> None:
    assert Lens.parse([entry()]).tables("service") == (Table("public", "owner"), PREFERENCE)


def test_a_column_may_be_called_pivot() -> None:
    (forward,) = Lens.parse(
        [{"monolith": "public.t", "service": {"public.t": {"id": "id", "pivot": "x"}}}]
    ).projections(Direction.TO_SERVICE)
    assert [column.target for column in forward.columns] == ["id", "pivot"]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (entry(rows={}), "`rows` is `monolith column"),
        (entry(rows=["a"]), "`rows` is `monolith column"),
        (entry(value=None), "None is not a column name"),
        (entry(value={"scale": "a", "by": 10}), "is not a column name"),
        (entry(value="user_id"), "user_id is mapped already"),
        (entry(rows={"a": "email"}), "a: needs discriminators"),
        (entry(rows={"a": {"absent": 0}}), "a: needs discriminators"),
        (entry(rows={"a": {"channel": True}}), "the label True is no text: write it in quotes"),
        (entry(rows={"a": {"user_id": "x"}}), "a: user_id is mapped already"),
        (entry(rows={"a": {"enabled": "x"}}), "a: enabled is mapped already"),
        (entry(rows={"a{": {"channel": "x"}}), "cannot name the column"),
        (
            entry(rows={"a": {"c": "x", "d": "y"}, "b": {"d": "y", "c": "x"}}),
            "not invertible: a and b would be the same row",
        ),
        (entry(rows={"a": {"c": "x"}, "b": {"d": "y"}}), "b has the discriminators d, others have c"),
        (entry(rows=ROWS | {"updated_at": {"channel": "x", "topic": "y"}}), "column updated_at is mapped 2 times"),
        (
            entry() | {"optional": {"public.preference": "email_orders"}},
            "a pivoted table cannot be optional",
        ),
        (entry(updated_at="seen_at"), "updated_at would have n values for one: map it in another service table"),
        (entry(owner={"updated_at": "updated_at"}), "public.owner: key column user_id must be mapped by rename"),
        (
            entry() | {"service": {"public.preference": entry()["service"]["public.preference"]}},
            "the first service table cannot be pivoted",
        ),
    ],
)  # fmt: skip
def test_a_pivot_that_cannot_be_meant_is_named(written: dict[str, Any], problem: str) -> None:
    with pytest.raises(LensError) as refusal:
        Lens.parse([written])
    assert [line for line in refusal.value.problems if problem in line], refusal.value.problems
    assert all("public.wide" in line for line in refusal.value.problems)
