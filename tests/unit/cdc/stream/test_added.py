"""Which added columns a lens lets flow by themselves."""

from __future__ import annotations

from dataclasses import replace

from cdc.messages import Relation, SourceColumn
from cdc.projection import Column, Projection, Role, Table
from cdc.target.added import fitting

BOOK, VOLUME, SHELF = Table("public", "book"), Table("public", "volume"), Table("public", "shelf")
TO_VOLUME = Projection(BOOK, VOLUME, (("id", "id"),), (Column("id", ("id",), "{id}"),), Role.PRIMARY, ())
TO_SHELF = replace(TO_VOLUME, target=SHELF)
SET_UP = [("id", 20, -1)]


def found(
    projections: tuple[Projection, ...], volume: tuple[str, ...], shelf: tuple[str, ...] = ()
) -> tuple[list[list[str]], list[str]]:
    """(target columns of each projection, what it does not allow) for a book that got an isbn."""
    columns = (SourceColumn("id", 20, -1, True), SourceColumn("isbn", 25, -1, False))
    types = {VOLUME: dict.fromkeys(("id", *volume), "text"), SHELF: dict.fromkeys(("id", *shelf), "text")}
    fit, problems = fitting(Relation(1, "public", "book", "d", columns), SET_UP, projections, types)
    return [[column.target for column in p.columns] for p in fit], problems


def test_it_flows_to_the_one_table_that_has_a_free_column_of_its_name() -> None:
    assert found((TO_VOLUME, TO_SHELF), ("isbn",)) == ([["id", "isbn"], ["id"]], [])
    assert found((TO_VOLUME, TO_SHELF), (), ("isbn",)) == ([["id"], ["id", "isbn"]], [])


def test_it_waits_while_no_table_or_more_than_one_could_take_it() -> None:
    said = ["column isbn is new"]
    assert found((TO_VOLUME, TO_SHELF), ()) == ([["id"], ["id"]], said)
    assert found((TO_VOLUME, TO_SHELF), ("isbn",), ("isbn",)) == ([["id"], ["id"]], said)


def test_it_never_flows_into_a_column_that_the_lens_writes_already() -> None:
    code = replace(TO_VOLUME, columns=(*TO_VOLUME.columns, Column("isbn", (), "'none'")))
    assert found((code,), ("isbn",)) == ([["id", "isbn"]], ["column isbn is new"])
    reset = replace(TO_VOLUME, reset=(("isbn", "NULL"),))
    assert found((reset,), ("isbn",)) == ([["id"]], ["column isbn is new"])


def test_it_never_flows_into_rows_that_are_not_this_rows_alone() -> None:
    for odd in (
        replace(TO_VOLUME, role=Role.PART),
        replace(TO_VOLUME, only_with="id"),
        replace(TO_VOLUME, pinned=(("kind", "a"),)),
    ):
        assert found((odd,), ("isbn",)) == ([["id"]], ["column isbn is new"])


def test_a_lens_that_reads_it_already_needs_no_leave() -> None:
    knows = replace(TO_VOLUME, columns=(*TO_VOLUME.columns, Column("number", ("isbn",), "{isbn}")))
    assert found((knows,), ("number",)) == ([["id", "number"]], [])
