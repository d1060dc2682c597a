"""A change that cannot be applied stops its stream; an operator can leave out exactly it, once."""

from __future__ import annotations

import psycopg
import pytest

from cdc.copying import snapshot
from cdc.stream_errors import NothingToSkip, RefusedChange
from cdc.target import skip
from cdc.target.errors import PoisonRow
from cdc.target.skip import WHOLE_TRANSACTION
from tests.integration.cdc.types.conftest import MakeMirror
from tests.integration.cdc.types.mirror import Mirror, copied

SECRET = "value-nobody-may-see"
ITEMS = "create table item (id int primary key, name text{})"


@pytest.fixture
def picky(made: MakeMirror) -> Mirror:
    """The target refuses long names."""
    both = made(ITEMS.format(""), ITEMS.format(" constraint short check (length(name) < 10)"))
    return copied(both)


def stopped_at(both: Mirror) -> RefusedChange:
    with both.streaming() as running:
        error = running.fails(PoisonRow, 20)
    assert "short" in error.message
    assert SECRET not in error.message
    assert error.change is not None
    assert error.change.table == "public.item"
    assert (error.change.key, error.change.columns) == ((), ("id", "name"))
    return error.change


def poisoned(both: Mirror, first: int) -> None:
    """Three changes in one transaction, of which the second cannot be applied; and something behind it."""
    with psycopg.connect(both.monolith) as writer:
        for n, name in enumerate(("before", SECRET, "after")):
            writer.execute("insert into item values (%s, %s)", [first + n, name])
    both.source("insert into item values (%s, 'behind')", first + 3)


def ids(both: Mirror) -> list[int]:
    return [number for (number,) in both.target("select id from item order by 1")]


def test_exactly_one_change_is_left_out_once_and_remembered_with_its_key(picky: Mirror) -> None:
    poisoned(picky, 1)
    change = stopped_at(picky)
    assert change.ordinal == 2
    assert ids(picky) == []
    skip.ask(picky.forward, change.lsn, change.ordinal, "ann", "the name is a known mistake")
    skip.ask(picky.forward, change.lsn, change.ordinal, "ann", "asked twice")
    with picky.streaming():
        picky.caught_up(picky.forward)
    assert ids(picky) == [1, 3, 4]
    with psycopg.connect(picky.forward.target_dsn) as target:
        [left] = skip.skipped(target, picky.forward.name)
        [wish] = skip.requests(target, picky.forward.name)
    assert (left.lsn, left.ordinal, left.relation, left.key) == (change.lsn, 2, "public.item", {"id": "2"})
    assert (left.who, left.why) == ("ann", "the name is a known mistake")
    assert wish.used_at is not None
    with pytest.raises(NothingToSkip, match="passed"):
        skip.ask(picky.forward, change.lsn, change.ordinal, "ann", "too late")
    poisoned(picky, 11)
    assert stopped_at(picky).lsn > change.lsn
    assert ids(picky) == [1, 3, 4]


def test_a_whole_transaction_can_be_left_out(picky: Mirror) -> None:
    poisoned(picky, 1)
    change = stopped_at(picky)
    skip.ask(picky.forward, change.lsn, WHOLE_TRANSACTION, "ann", "all of it")
    with picky.streaming():
        picky.caught_up(picky.forward)
    assert ids(picky) == [4]
    with psycopg.connect(picky.forward.target_dsn) as target:
        left = skip.skipped(target, picky.forward.name)
    assert [(one.ordinal, one.key) for one in left] == [(n, {"id": str(n)}) for n in (1, 2, 3)]


def test_a_wish_is_used_only_together_with_its_transaction(picky: Mirror) -> None:
    """The session ends between the two: the wish is still there, and nothing is remembered twice."""
    poisoned(picky, 1)
    change = stopped_at(picky)
    skip.ask(picky.forward, change.lsn, change.ordinal, "ann", "known")

    class Ended(Exception):
        pass

    def end(at: str) -> None:
        if at == "before commit":
            raise Ended

    with picky.streaming(checkpoint=end) as running:
        running.fails(Ended)
    with psycopg.connect(picky.forward.target_dsn) as target:
        assert skip.skipped(target, picky.forward.name) == []
        assert [wish.used_at for wish in skip.requests(target, picky.forward.name)] == [None]
    with picky.streaming():
        picky.caught_up(picky.forward)
    assert ids(picky) == [1, 3, 4]


def test_a_wish_can_be_withdrawn_and_needs_somebody_and_a_reason(picky: Mirror) -> None:
    poisoned(picky, 1)
    change = stopped_at(picky)
    with pytest.raises(NothingToSkip, match="who"):
        skip.ask(picky.forward, change.lsn, change.ordinal, " ", "why")
    skip.ask(picky.forward, change.lsn, change.ordinal, "ann", "why")
    assert skip.withdraw(picky.forward, change.lsn, change.ordinal)
    assert not skip.withdraw(picky.forward, change.lsn, change.ordinal)
    assert stopped_at(picky) == change
    picky.target("alter table item drop constraint short")
    with picky.streaming():
        picky.caught_up(picky.forward)
    assert not picky.differences()


def test_a_new_snapshot_brings_what_was_left_out_and_forgets_that_it_was(picky: Mirror) -> None:
    poisoned(picky, 1)
    change = stopped_at(picky)
    skip.ask(picky.forward, change.lsn, change.ordinal, "ann", "known")
    with picky.streaming():
        picky.caught_up(picky.forward)
    picky.target("alter table item drop constraint short")
    picky.source("select pg_drop_replication_slot(%s)", picky.forward.slot)
    snapshot.copy(picky.forward)
    assert not picky.differences()
    with psycopg.connect(picky.forward.target_dsn) as target:
        assert skip.skipped(target, picky.forward.name) == []
