"""A policy that hides rows from our role makes an error, and never an empty table: what is on the copy stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cdc.copying import snapshot
from cdc.copying.errors import CopyRefused
from cdc.copying.refill import refill
from cdc.errors import CdcError, ComparisonFailed
from cdc.projection import Table
from cdc.stream_errors import SetUpError
from tests.integration.cdc.stream.conftest import Pair
from tests.integration.cdc.stream.test_repair import differences
from tests.integration.cdc.stream.test_stream import assert_same

HIDE = "alter table {} enable row level security, force row level security"
SHOW = "alter table {} disable row level security, no force row level security"
VOLUME = Table("public", "volume")


@pytest.fixture
def filled(copied: Pair) -> Pair:
    copied.on_monolith("insert into book (title, stock) select 't', n from generate_series(1, 5) n")
    with copied.streaming():
        copied.caught_up()
    return copied


def refuses(act: Callable[[], object], kind: type[CdcError], table: str) -> None:
    with pytest.raises(kind, match=table):
        act()


def test_rows_that_a_policy_hides_from_us_are_not_taken_for_rows_that_are_not_there(filled: Pair) -> None:
    filled.on_monolith(HIDE.format("book"))
    with filled.streaming():
        filled.on_monolith("insert into book (title, stock) values ('while hidden', 6)")
        filled.caught_up()
        refuses(lambda: differences(filled), ComparisonFailed, "row-level security policy for table .book")
        refuses(lambda: refill(filled.forward, VOLUME), SetUpError, "row-level security on the stream's source.*book")
    refuses(lambda: snapshot.copy(filled.forward, afresh=True), SetUpError, "source hides rows of .*book")
    assert filled.on_service("select count(*) from volume") == [(6,)], "what streams is not asked for by a query"
    filled.on_monolith(SHOW.format("book"))
    with filled.streaming():
        filled.on_monolith("update book set title = 'seen again' where stock = 6")
        filled.caught_up()
        assert differences(filled) == ()
    assert_same(filled)


def test_a_policy_that_comes_while_rows_are_copied_ends_the_copy(filled: Pair) -> None:
    """Whoever asked before it came has been told that there is none."""

    def hide(checkpoint: str) -> None:
        if checkpoint == "planned":
            filled.on_monolith(HIDE.format("book"))

    with filled.streaming():
        refuses(lambda: refill(filled.forward, VOLUME, checkpoint=hide), CopyRefused, "volume are refused: Insuff")
    assert filled.on_service("select count(*) from volume") == [(5,)]


def test_a_copy_whose_rows_a_policy_hides_is_not_filled_a_second_time(filled: Pair) -> None:
    filled.on_service(HIDE.format("volume"))
    refuses(lambda: snapshot.copy(filled.forward, afresh=True), SetUpError, "target hides rows of .*volume")
    filled.on_service(SHOW.format("volume"))
    with filled.streaming():
        assert differences(filled) == ()
