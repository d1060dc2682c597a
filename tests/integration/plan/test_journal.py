"""The journal is chained: what is edited, deleted or put in behind fig's back is found and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from migration_plan.journal.chain import verify_chain
from migration_plan.journal.journal import Journal
from migration_plan.tracing.spans import Told
from tests.support.postgres import PostgresServer

# As journals were made before they were chained.
BEFORE = """
    create schema fig;
    create table fig.journal (
        id bigint generated always as identity primary key, at timestamptz not null default clock_timestamp(),
        domain text not null, switch uuid, kind text not null, epoch bigint, actor text not null,
        detail jsonb not null default '{}');
    create function fig.append_only() returns trigger language plpgsql as
        $$ begin raise exception 'the journal is append-only'; end $$;
    create trigger journal_append_only before update or delete or truncate on fig.journal
        for each statement execute function fig.append_only();
    create table fig.verification (id bigint generated always as identity primary key, domain text not null,
        at timestamptz not null default clock_timestamp(), rows bigint not null, differences bigint not null,
        detail jsonb not null);
    insert into fig.journal (domain, kind, epoch, actor, detail)
        select 'parcels', 'done', n, 'ada@host:1', jsonb_build_object('n', n) from generate_series(1, 5) n;
"""


@pytest.fixture
def dsn(services_server: PostgresServer, new_database: Callable[[PostgresServer], str]) -> str:
    return new_database(services_server)


@pytest.fixture
def journal(dsn: str) -> Iterator[Journal]:
    with closing(Journal(dsn)) as one:
        yield one


@pytest.fixture
def written(journal: Journal) -> Journal:
    """Six entries."""
    for number in range(6):
        journal.record("parcels", "intent", number, uuid4(), text='ü " \\', number=1.50)
    return journal


def test_the_outcomes_of_a_switch_are_there_in_their_order_or_none_of_them_is(journal: Journal) -> None:
    switch, now = uuid4(), datetime.now(UTC)
    steps = [Told(now - timedelta(seconds=5 - number), kind, {"n": number}) for number, kind in enumerate("abcde")]
    journal.record_all("parcels", 2, switch, steps)
    with pytest.raises(psycopg.errors.NotNullViolation):
        journal.record_all("parcels", 4, switch, [*steps, replace(steps[0], kind=None)])  # type: ignore[arg-type]
    found = [(entry.at, entry.kind, entry.detail, entry.epoch, entry.switch) for entry in journal.entries("parcels")]
    assert found == [(one.at, one.kind, one.detail, 2, switch) for one in steps]
    assert verify_chain(journal).breaks == ()


def behind_our_back(dsn: str, *statements: str) -> None:
    """As somebody who owns the database and is in a hurry."""
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("alter table fig.journal disable trigger user")
        for statement in statements:
            owner.execute(statement.encode())
        owner.execute("alter table fig.journal enable trigger user")


def named(journal: Journal) -> list[int]:
    return [one.id for one in verify_chain(journal).breaks]


def test_what_was_only_written_is_whole(written: Journal) -> None:
    found = verify_chain(written)
    assert (found.entries, found.breaks) == (6, ())


def test_writers_at_once_make_one_chain_whose_order_is_that_of_their_commits(dsn: str) -> None:
    def write(number: int) -> None:
        with closing(Journal(dsn)) as one:
            for turn in range(10):
                one.record("parcels", "intent", turn, writer=number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    with closing(Journal(dsn)) as one:
        found = verify_chain(one)
        entries = one.entries(None, 100)
    assert (found.entries, found.breaks) == (80, ())
    assert [entry.id for entry in entries] == list(range(1, 81))


@pytest.mark.parametrize(
    ("statement", "breaks", "says"),
    [
        ("update fig.journal set actor = 'nobody@host:1' where id = 3", [3], "was edited"),
        ("update fig.journal set detail = '{}' where id = 1", [1], "was edited"),
        ("update fig.journal set at = at + interval '1 microsecond' where id = 6", [6], "was edited"),
        ("update fig.journal set reason = 'a good one' where id = 2", [2], "was edited"),
        ("delete from fig.journal where id = 3", [4], "3 is missing"),
        ("delete from fig.journal where id in (2, 3)", [4], "2 to 3 are missing"),
        ("delete from fig.journal where id = 1", [2], "1 is missing"),
        ("delete from fig.journal where id = 6", [5], "6 is missing"),
    ],
)
def test_an_entry_that_was_edited_or_deleted_is_named(dsn: str, written: Journal, statement, breaks, says) -> None:
    behind_our_back(dsn, statement)
    found = verify_chain(written).breaks
    assert [one.id for one in found] == breaks
    assert says in str(found[0])


def test_an_entry_that_was_put_in_is_named_even_with_a_hash_of_its_own(dsn: str, written: Journal) -> None:
    behind_our_back(
        dsn,
        "delete from fig.journal where id = 4",
        "insert into fig.journal (id, domain, kind, actor, previous, hash) overriding system value"
        " select 4, 'parcels', 'done', 'eve@host:1', hash, '' from fig.journal where id = 3",
        "update fig.journal j set hash = sha256(previous || convert_to(fig.journal_text(j), 'UTF8')) where id = 4",
    )
    assert named(written) == [5]


def test_an_entry_whose_hash_was_made_anew_breaks_the_one_after_it(dsn: str, written: Journal) -> None:
    behind_our_back(
        dsn,
        "update fig.journal set actor = 'eve@host:1' where id = 3",
        "update fig.journal j set hash = sha256(previous || convert_to(fig.journal_text(j), 'UTF8')) where id = 3",
    )
    assert named(written) == [4]


def test_two_entries_cannot_follow_the_same_one(dsn: str, written: Journal) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        behind_our_back(
            dsn,
            "insert into fig.journal (id, domain, kind, actor, previous, hash) overriding system value"
            " select 7, 'parcels', 'done', 'eve@host:1', previous, 'x' from fig.journal where id = 4",
        )


def test_an_old_journal_is_chained_as_it_is_and_goes_on(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(BEFORE.encode())
    with closing(Journal(dsn)) as one:
        one.record("parcels", "done", 6)
        found = verify_chain(one)
        assert (found.entries, found.breaks) == (6, ())
        assert [entry.detail.get("n") for entry in one.entries("parcels")] == [1, 2, 3, 4, 5, None]
    behind_our_back(dsn, "update fig.journal set epoch = 9 where id = 2")
    with closing(Journal(dsn)) as one:
        assert named(one) == [2]


def test_an_entry_says_who_from_where_and_why(services_server: PostgresServer, dsn: str) -> None:
    with closing(Journal(dsn)) as one:
        one.reason = "change 4711"
        one.record("parcels", "intent")
        [entry] = one.entries("parcels")
    assert (entry.actor, entry.reason, entry.address) == (one.actor, "change 4711", "127.0.0.1")


def test_an_admitted_role_appends_moves_and_leases_and_can_neither_edit_nor_delete(
    services_server: PostgresServer, dsn: str, written: Journal
) -> None:
    role = f"clerk_{uuid4().hex[:8]}"
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(f"create role {role} login; select fig.admit('{role}')")
    with closing(Journal(psycopg.conninfo.make_conninfo(dsn, user=role))) as one:
        one.record("parcels", "intent", 7)
        one.verified("parcels", 1, 0, {})
        one.give_back(one.acquire("parcels", 3.0))
        assert verify_chain(one).breaks == ()
        with one.session() as clerk:
            for statement in (
                "update fig.journal set actor = ''",
                "delete from fig.journal",
                "truncate fig.journal",
                "alter table fig.journal disable trigger user",
                "update fig.journal_head set id = 1",
                "insert into fig.token (name, role, hash, created_by) values ('x', 'admin', '', '')",
                "update fig.verification set differences = 0",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    clerk.execute(statement)
