"""From messages to changes: projections, keys that change, values that were not sent, parts, origins, messages."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cdc.message_errors import MalformedMessage, SchemaChanged, UnmappedTable, UnsentValue
from cdc.messages import UNCHANGED, Begin, Commit, Row
from cdc.pgoutput import decode
from cdc.projection import Column, Projection, Role, Table
from cdc.spec import StreamSpec
from cdc.target.runs import Batch
from cdc.target.statements import Op
from cdc.target.transaction import Statement
from cdc.target.translate import Translator
from tests.unit.cdc.stream import wire

BOOK, SHELF, VOLUME = Table("public", "book"), Table("public", "shelf"), Table("public", "volume")
PRIMARY = Projection(
    BOOK, VOLUME, (("id", "id"),),
    (Column("id", ("id",), "{id}"), Column("name", ("title",), "{title}"), Column("size", ("w", "h"), "{w} || {h}"),
     Column("currency", (), "'EUR'")),
    Role.PRIMARY, (("available", "0"),),
)  # fmt: skip
PART = Projection(
    SHELF, VOLUME, (("book_id", "id"),),
    (Column("id", ("book_id",), "{book_id}"), Column("available", ("stock",), "{stock}")),
    Role.PART, (("available", "0"),),
)  # fmt: skip
SPEC = StreamSpec("books_to_x", "books", "", "", "s", "p", "fig_o", (PRIMARY, PART))
TARGET = {"id": "bigint", "name": "text", "size": "text", "currency": "bpchar", "available": "integer"}
COLUMNS = {
    BOOK: [("id", 20, -1), ("title", 25, -1), ("w", 25, -1), ("h", 25, -1)],
    SHELF: [("book_id", 20, -1), ("stock", 23, -1)],
}
BOOK_RELATION = wire.relation(
    1, "public", "book", [("id", 20, True), ("title", 25, False), ("w", 25, False), ("h", 25, False)]
)
SHELF_RELATION = wire.relation(2, "public", "shelf", [("book_id", 20, True), ("stock", 23, False)])


def translate(messages: Sequence[bytes]) -> list[tuple[Op | None, int, list[bytes | None]]]:
    """(kind, rows, parameters) of the statements of one transaction; None for statements about whole tables."""
    translator = Translator(SPEC, {VOLUME: TARGET}, COLUMNS, 64)
    statements: list[Statement] = []
    for data in (wire.begin(), BOOK_RELATION, SHELF_RELATION, *messages, wire.commit()):
        message = decode(data)
        if isinstance(message, Begin):
            translator.begin(message)
        elif isinstance(message, Commit):
            translator.end()
        else:
            statements.extend(translator.take(message))
    statements.extend(translator.close())
    return [
        (s.shape.op, s.rows, list(s.params)) if isinstance(s, Batch) else (None, 0, [s.sql.encode()])
        for s in statements
    ]


def test_an_insert_of_the_primary_row_inserts_and_one_of_a_part_updates() -> None:
    found = translate([wire.insert(1, [b"1", b"T", b"2", b"3"]), wire.insert(2, [b"1", b"5"])])
    assert found == [(Op.INSERT, 1, [b"1", b"T", b"2", b"3"]), (Op.UPDATE, 1, [b"5", b"1"])]


def test_values_that_were_not_sent_are_left_out() -> None:
    assert translate([wire.update(1, [b"1", UNCHANGED, b"2", b"3"])]) == [(Op.UPDATE, 1, [b"2", b"3", b"1"])]
    assert translate([wire.update(1, [b"1", UNCHANGED, UNCHANGED, UNCHANGED])]) == []


def test_a_full_old_row_gives_what_was_not_sent() -> None:
    old: Row = [b"1", b"T", b"2", b"3"]
    found = translate([wire.update(1, [b"1", UNCHANGED, b"9", b"3"], old, b"O")])
    assert found == [(Op.UPDATE, 1, [b"T", b"9", b"3", b"1"])]


def test_a_column_made_of_a_sent_and_an_unsent_value_is_refused_by_name() -> None:
    with pytest.raises(UnsentValue, match=r"column h of public.book .*size is made of several columns"):
        translate([wire.update(1, [b"1", b"T", b"2", UNCHANGED])])


def test_a_changed_key_moves_the_row_and_keeps_what_was_not_sent() -> None:
    found = translate([wire.update(1, [b"2", UNCHANGED, b"x", b"y"], [b"1", None, None, None])])
    assert found == [(Op.UPDATE, 1, [b"2", b"x", b"y", b"1"])]


def test_a_part_goes_with_its_row_when_both_keys_change() -> None:
    moved = [
        wire.update(1, [b"2", b"T", b"x", b"y"], [b"1", None, None, None]),
        wire.update(2, [b"2", b"5"], [b"1", None]),
    ]
    assert translate(moved)[1:] == [(Op.UPDATE, 1, [b"5", b"2"])]


def test_a_part_that_changes_its_row_alone_leaves_the_old_one_reset() -> None:
    assert translate([wire.update(2, [b"2", b"5"], [b"1", None])]) == [
        (Op.UPDATE, 1, [b"1"]),
        (Op.UPDATE, 1, [b"5", b"2"]),
    ]


def test_a_part_deleted_before_its_row_is_reset_and_after_it_needs_nothing() -> None:
    part, row = wire.delete(2, [b"1", None]), wire.delete(1, [b"1", None, None, None])
    assert [op for op, *_ in translate([part, row])] == [Op.UPDATE, Op.DELETE]
    assert [op for op, *_ in translate([row, part])] == [Op.DELETE]


def test_a_part_deleted_after_its_row_came_back_is_reset() -> None:
    row: Row = [b"1", b"T", b"2", b"3"]
    again = [wire.delete(1, [b"1", None, None, None]), wire.insert(1, row), wire.delete(2, [b"1", None])]
    assert [op for op, *_ in translate(again)] == [Op.DELETE, Op.INSERT, Op.UPDATE]


def test_rows_whose_keys_move_up_are_one_run_and_rows_that_exchange_them_are_not_in_one_statement() -> None:
    row: Row = [b"T", b"2", b"3"]
    apart = [wire.update(1, [str(n + 10).encode(), *row], [str(n).encode(), *row]) for n in range(4)]
    chain = [wire.update(1, [str(n + 1).encode(), *row], [str(n).encode(), *row]) for n in (3, 2, 1)]
    assert [rows for _, rows, _ in translate(apart)] == [4]
    turn = [wire.update(1, [new, *row], [old, *row]) for old, new in ((b"1", b"9"), (b"2", b"1"), (b"9", b"2"))]
    assert [rows for _, rows, _ in translate(chain)] == [2, 1]
    assert [rows for _, rows, _ in translate(turn)] == [2, 1]


def test_truncating_a_primary_table_empties_its_target_and_truncating_a_part_resets_its_columns() -> None:
    assert translate([wire.truncate([1])]) == [(None, 0, [b'DELETE FROM "public"."volume"'])]
    assert translate([wire.truncate([2])]) == [(None, 0, [b'UPDATE "public"."volume" SET "available" = 0'])]


def test_changes_before_a_truncation_stay_before_it() -> None:
    found = translate(
        [wire.insert(1, [b"1", b"T", b"2", b"3"]), wire.truncate([1]), wire.insert(1, [b"2", b"T", b"2", b"3"])]
    )
    assert [op for op, *_ in found] == [Op.INSERT, None, Op.INSERT]


def test_nothing_of_an_appliers_transaction_is_sent_on_but_its_relations_are_remembered() -> None:
    translator = Translator(SPEC, {VOLUME: TARGET}, COLUMNS, 64)
    for data in (
        wire.origin("fig_y"),
        BOOK_RELATION,
        wire.insert(1, [b"1", b"T", b"2", b"3"]),
        wire.message(b'{"kind":"probe","domain":"books","id":"p"}'),
    ):
        if translator.transaction is None:
            translator.begin(Begin(1, 0, 1))
        assert list(translator.take(decode(data))) == []
    assert not translator.has_changes
    ended = translator.end()
    assert ended.is_ours
    assert ended.probe is None
    translator.begin(Begin(2, 0, 2))
    list(translator.take(decode(wire.insert(1, [b"1", b"T", b"2", b"3"]))))
    assert translator.has_changes


def test_rows_of_somebody_elses_origin_are_sent_on() -> None:
    assert len(translate([wire.origin("elsewhere"), wire.insert(1, [b"1", b"T", b"2", b"3"])])) == 1


ID, TITLE, W, H = ("id", 20, True), ("title", 25, False), ("w", 25, False), ("h", 25, False)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([ID, TITLE, W, H, ("isbn", 25, False)], "column isbn is new"),
        ([ID, TITLE, W], "column h is gone"),
        ([ID, ("title", 23, False), W, H], "column title has another type"),
        ([("id", 20, False), ("title", 25, True), W, H], "replica identity does not hold id"),
    ],
)
def test_a_changed_source_table_stops_at_its_first_row_and_names_the_column(
    columns: list[tuple[str, int, bool]], said: str
) -> None:
    changed = wire.relation(1, "public", "book", columns)
    assert translate([changed]) == []
    with pytest.raises(SchemaChanged, match=said):
        translate([changed, wire.insert(1, [b"1"] * len(columns))])


def test_rows_of_a_published_table_without_a_lens_are_an_error() -> None:
    other = wire.relation(5, "public", "other", [("id", 20, True)])
    with pytest.raises(UnmappedTable, match=r"publication p sends rows of public.other"):
        translate([other, wire.insert(5, [b"1"])])


def test_a_change_outside_of_a_transaction_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        list(Translator(SPEC, {VOLUME: TARGET}, COLUMNS, 64).take(decode(wire.insert(1, [b"1"]))))


@pytest.mark.parametrize("content", [b"no json", b"[]", b'{"kind":"probe","domain":"others","id":"p"}', b"\xff"])
def test_messages_that_are_not_for_this_domain_say_nothing(content: bytes) -> None:
    translator = Translator(SPEC, {VOLUME: TARGET}, COLUMNS, 64)
    translator.begin(Begin(1, 0, 1))
    assert list(translator.take(decode(wire.message(content)))) == []
    ended = translator.end()
    assert (ended.heartbeat, ended.probe, ended.marker) == (False, None, None)


WIDE, PREFERENCE = Table("public", "wide"), Table("public", "preference")


def sliced(column: str, label: str) -> Projection:
    columns = (
        Column("id", ("id",), "{id}"), Column("kind", (), f"'{label}'"),
        Column("enabled", (column,), "{" + column + "}"),
    )  # fmt: skip
    return Projection(WIDE, PREFERENCE, (("id", "id"),), columns, Role.PRIMARY, (), pinned=(("kind", label),))


def test_rows_of_each_label_go_together() -> None:
    spec = StreamSpec("x", "x", "", "", "s", "p", "fig_o", (sliced("email", "e"), sliced("sms", "s")))
    columns = [("id", 20, -1), ("email", 16, -1), ("sms", 16, -1)]
    translator = Translator(
        spec, {PREFERENCE: {"id": "bigint", "kind": "text", "enabled": "boolean"}}, {WIDE: columns}, 64
    )
    relation = wire.relation(3, "public", "wide", [("id", 20, True), ("email", 16, False), ("sms", 16, False)])
    inserts = [wire.insert(3, [str(n).encode(), b"t", b"f"]) for n in range(4)]
    translator.begin(Begin(1, 0, 7))
    assert not [s for data in (relation, *inserts) for s in translator.take(decode(data))]
    assert [(s.rows, s.params[1::2]) for s in translator.close() if isinstance(s, Batch)] == [
        (4, [b"t"] * 4),
        (4, [b"f"] * 4),
    ]
