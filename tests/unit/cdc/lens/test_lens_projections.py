"""What a lens compiles to: roles, keys, resets and apply order."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cdc.lens import Lens
from cdc.lens.types import SqlType, is_lossless
from cdc.projection import Direction, Role, Table

PLAN = Path(__file__).parents[4] / "migration_plan" / "plans" / "catalog.yml"


@pytest.fixture(scope="module")
def lens() -> Lens:
    return Lens.parse(yaml.safe_load(PLAN.read_text())["tables"])


def test_every_service_row_exists_because_a_monolith_row_does(lens: Lens) -> None:
    forward = lens.projections(Direction.TO_SERVICE)
    assert {p.role for p in forward} == {Role.PRIMARY}
    assert [p.target.name for p in forward] == ["product", "inventory", "movement", "reservation", "reservation_line"]


def test_backwards_a_part_changes_columns_of_a_row_that_exists(lens: Lens) -> None:
    product, inventory = lens.projections(Direction.TO_MONOLITH)[:2]
    assert (product.role, inventory.role) == (Role.PRIMARY, Role.PART)
    assert product.target == inventory.target == Table("public", "products")
    assert [column.target for column in inventory.columns] == ["id", "stock"]
    assert "stock" not in [column.target for column in product.columns]
    assert product.reset == inventory.reset == (("stock", "'0'"),)


def test_keys_pair_the_columns_of_source_and_target(lens: Lens) -> None:
    assert lens.projections(Direction.TO_SERVICE)[1].key == (("id", "product_id"),)
    assert lens.projections(Direction.TO_MONOLITH)[1].key == (("product_id", "id"),)
    assert lens.projections(Direction.TO_SERVICE)[4].key == (
        ("reservation_key", "reservation_key"),
        ("product_id", "product_id"),
    )


def test_a_part_without_a_value_for_its_absence_resets_to_null() -> None:
    parts = {"public.a": {"id": "id"}, "public.b": {"id": "id", "n": "note"}}
    lens = Lens.parse([{"monolith": "public.t", "service": parts}])
    assert lens.projections(Direction.TO_MONOLITH)[1].reset == (("note", "NULL"),)


def test_flags_in_a_part_reset_to_a_state() -> None:
    flags = {
        "flags": ["a", "b"],
        "values": {"false,false": "w", "true,false": "x", "false,true": "y", "true,true": "z"},
    }
    parts = {"public.a": {"id": "id"}, "public.b": {"id": "id", "s": flags | {"absent": "true,false"}}}
    lens = Lens.parse([{"monolith": "public.t", "service": parts}])
    assert lens.projections(Direction.TO_MONOLITH)[1].reset == (("a", "'true'"), ("b", "'false'"))


def test_a_constant_of_the_monolith_is_written_by_the_primary_part() -> None:
    entry = {"monolith": "public.t", "service": {"public.a": {"id": "id"}}, "monolith_only": {"site": {"constant": 7}}}
    (back,) = Lens.parse([entry]).projections(Direction.TO_MONOLITH)
    assert back.columns[-1].target == "site"
    assert back.columns[-1].sql({}) == "'7'::text"


def test_names_and_labels_are_quoted() -> None:
    labels = {"it's {odd}": "50 %"}
    entry = {"monolith": 'a"b.c d', "service": {"public.t": {"id": "id", "x": {"enum": "a b", "values": labels}}}}
    (forward,) = Lens.parse([entry]).projections(Direction.TO_SERVICE)
    assert forward.select().endswith('FROM "a""b"."c d"')
    assert """WHEN 'it''s {odd}' THEN '50 %'""" in forward.select()
    assert '"a b"::text' in forward.select()


@pytest.mark.parametrize(
    ("one", "other", "lossless"),
    [
        ("int", "bigint", True),
        ("int8", "smallint", True),
        ("bigint", "numeric(19,0)", True),
        ("bigint", "numeric(19)", True),
        ("numeric(10,2)", "numeric(12, 2)", True),
        ("varchar(20)", "text", True),
        ("varchar", "character varying(9)", True),
        ("timestamp", "timestamptz", True),
        ("timestamp(3) with time zone", "timestamp(3)", True),
        ("jsonb", "jsonb", True),
        ("bigint", "numeric", False),
        ("numeric", "numeric(10,2)", False),
        ("char(3)", "text", False),
        ("char(3)", "char(4)", False),
        ("boolean", "integer", False),
        ("double precision", "numeric(10,2)", False),
    ],
)
def test_a_cast_is_lossless_only_if_both_ways_are(one: str, other: str, lossless: bool) -> None:
    assert is_lossless(SqlType.parse(one), SqlType.parse(other)) is lossless
    assert is_lossless(SqlType.parse(other), SqlType.parse(one)) is lossless
