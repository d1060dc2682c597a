"""What stops a stream, what it says, and that nothing was lost or applied when it did."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any

import psycopg
import pytest

from cdc import install
from cdc.copying import snapshot
from cdc.message_errors import RowsRewritten, SchemaChanged, UnmappedTable
from cdc.position import lsn_text, parse_lsn
from cdc.spec import StreamSpec
from cdc.stream import Stream
from cdc.stream_errors import NotSetUp, SetUpError, StreamIdentityChanged
from cdc.target import skip, target_tables
from cdc.target.apply import TargetSession
from cdc.target.errors import ApplyMismatch, ForeignWrite, GuardRefused, PoisonRow, StalePosition
from tests.integration.cdc.stream.conftest import Pair, Running, execute
from tests.integration.cdc.stream.test_stream import assert_same
from tests.support.waiting import wait_until

SECRET = "value-nobody-may-see"


def guard(connection: psycopg.Connection[Any]) -> str:
    """As the switch makes it: this session's epoch, in the statement."""
    row = connection.execute("select epoch from fig.domain where domain = 'books'").fetchone()
    assert row is not None
    return f"select fig.guard_apply('books', {row[0]})"


@pytest.fixture
def guarded(copied: Pair) -> Pair:
    """The service stands by at epoch 1, its tables fenced; the applier has to ask."""
    sql = files("migration_plan.sides").joinpath("side.sql").read_text()
    execute(copied.forward.target_dsn, sql)
    execute(
        copied.forward.target_dsn,
        "select fig.enroll('books', 'service', 'standby', 1, array['volume', 'shelf', 'lending']::regclass[],"
        " 1000)::text",
    )
    copied.forward = replace(copied.forward, guard=guard)
    return copied


def set_row(pair: Pair, state: str, epoch: int) -> None:
    pair.on_service("update fig.domain set state = %s, epoch = %s where domain = 'books'", state, epoch)


GRANT = """select pg_logical_emit_message(true, 'fig', '{"kind": "grant", "domain": "books", "epoch": 5}')::text"""


def sessions(pair: Pair) -> list[tuple[Any, ...]]:
    """Of the stream, on both servers."""
    query = "select application_name, pid from pg_stat_activity where application_name in (%s, %s, %s) order by 1"
    names = [f"fig-{what} {pair.forward.name}" for what in ("apply", "gate", "stream")]
    return pair.on_monolith(query, *names) + pair.on_service(query, *names)


def test_the_applier_passes_the_fence_that_refuses_everybody_else(guarded: Pair) -> None:
    with pytest.raises(psycopg.Error) as refused:
        guarded.on_service("delete from volume")
    assert refused.value.sqlstate == "SF421"
    with guarded.streaming():
        guarded.on_monolith("insert into book (title) values ('b')")
        guarded.caught_up()
    assert len(guarded.on_service("select 1 from volume")) == 1


def test_a_new_epoch_restarts_the_session_and_loses_nothing(guarded: Pair) -> None:
    with guarded.streaming():
        guarded.on_monolith("insert into book (title) values ('b1')")
        guarded.caught_up()
        set_row(guarded, "standby", 5)
        guarded.on_monolith("insert into book (title) values ('b2')")
        guarded.caught_up()
    assert guarded.on_service("select name from volume order by 1") == [("b1",), ("b2",)]


def test_after_a_switch_the_new_owners_rows_go_through_the_same_sessions(
    guarded: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """Sessions that are made anew cost both servers work just when everybody who was held goes on."""
    with guarded.streaming():
        guarded.on_monolith("insert into book (title) values ('b1')")
        guarded.caught_up()
        before = sessions(guarded)
        set_row(guarded, "released", 5)
        guarded.on_monolith(GRANT)
        guarded.on_monolith("insert into book (title) values ('b2')")
        guarded.caught_up()
        assert sessions(guarded) == before
    assert guarded.on_service("select name from volume order by 1") == [("b1",), ("b2",)]
    assert [record for record in caplog.records if "again" in record.message] == []


def test_that_the_source_was_granted_the_domain_opens_no_owner(guarded: Pair) -> None:
    with guarded.streaming() as running:
        set_row(guarded, "owner", 5)
        guarded.on_monolith(GRANT)
        guarded.on_monolith("insert into book (title) values ('b1')")
        running.fails(ForeignWrite)
    assert guarded.on_service("select 1 from volume") == []


def test_on_an_owner_messages_advance_the_position_and_rows_are_a_foreign_write(guarded: Pair) -> None:
    probe = """select pg_logical_emit_message(true, 'fig', '{"kind":"probe","domain":"books","id":"p"}')::text"""
    with guarded.streaming() as running:
        guarded.on_monolith("insert into book (title) values ('b1')")
        guarded.caught_up()
        set_row(guarded, "owner", 3)
        guarded.on_monolith(probe)
        guarded.caught_up()
        assert guarded.on_service("select probe from fig.position") == [("p",)]
        [(lsn, xid)] = guarded.on_monolith(
            "insert into book (title) values (%s) returning pg_current_wal_lsn()::text, pg_current_xact_id()::text",
            SECRET,
        )
        error = running.fails(ForeignWrite)
        assert "public.volume" in error.message
        assert f"transaction {xid} (commit {lsn[:3]}" in error.message
        assert SECRET not in error.message
    assert guarded.on_service("select name from volume") == [("b1",)]


def test_a_foreign_write_can_be_left_out_and_the_stream_goes_on_behind_it(guarded: Pair) -> None:
    set_row(guarded, "owner", 3)
    with guarded.streaming() as running:
        guarded.on_monolith("insert into book (title) values (%s)", SECRET)
        error = running.fails(ForeignWrite)
    [lsn] = re.findall(r"commit ([0-9A-F]+/[0-9A-F]+)", error.place)
    skip.ask(guarded.forward, parse_lsn(lsn), skip.WHOLE_TRANSACTION, "ann", "written past the proxy, not wanted")
    with guarded.streaming() as running:
        guarded.caught_up()
        guarded.on_monolith("insert into book (title) values ('another one')")
        running.fails(ForeignWrite)
    assert guarded.on_service("select 1 from volume") == []
    assert guarded.on_service("select relation, who from fig.skipped") == [("public.book", "ann")]


def test_a_side_that_forgot_its_domain_refuses_rows(guarded: Pair) -> None:
    spec = replace(guarded.forward, guard=lambda connection: "select fig.guard_apply('nobody', 1)")
    with guarded.streaming(spec) as running:
        guarded.on_monolith("insert into book (title) values ('b1')")
        running.fails(GuardRefused)


def test_two_appliers_of_one_stream_cannot_both_move_it(copied: Pair) -> None:
    with copied.streaming() as running:
        copied.on_monolith("insert into book (title) values ('b')")
        copied.caught_up()
        copied.on_service("update fig.position set lsn = lsn + 1")
        running.fails(StalePosition)


def test_what_a_predecessor_had_sent_may_still_be_committed_while_a_session_is_made(
    copied: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between "commit sent" and its answer: the new session goes on from there, without an alarm."""
    spec = copied.forward
    predecessor = psycopg.connect(spec.target_dsn)
    predecessor.execute("select pg_replication_origin_session_setup(%s)", [spec.origin])
    [(moved,)] = predecessor.execute("update fig.position set lsn = lsn + 1 returning lsn::text")
    read = target_tables.read

    def meanwhile(*arguments: Any) -> Any:
        pid = predecessor.info.backend_pid
        predecessor.commit()
        predecessor.close()
        wait_until(
            lambda: not copied.on_service("select 1 from pg_stat_activity where pid = %s", pid), 10, "it is gone"
        )
        return read(*arguments)

    monkeypatch.setattr(target_tables, "read", meanwhile)
    session = TargetSession(spec)
    session.close()
    assert lsn_text(session.position.lsn) == moved


def test_a_row_that_is_not_there_stops_the_stream_before_it(copied: Pair) -> None:
    copied.on_monolith("insert into book (title) select 'b' from generate_series(1, 100)")
    with copied.streaming():
        copied.caught_up()
    copied.on_service("delete from shelf where volume_id = 42")
    [(xid,)] = copied.on_monolith("with u as (update book set stock = 7 returning 1) select pg_current_xact_id()::text")
    with copied.streaming() as running:
        error = running.fails(ApplyMismatch)
        assert "update of public.shelf by volume_id" in error.message
        assert f"transaction {xid} " in error.message
    assert copied.on_service("select distinct available from shelf") == [(0,)]
    copied.on_service("insert into shelf values (42, 0)")
    with copied.streaming():
        copied.caught_up()
    assert copied.on_service("select available, count(*) from shelf group by 1") == [(7, 100)]


@pytest.mark.parametrize(
    ("poison", "mend", "named"),
    [
        (
            "alter table volume add constraint short check (length(name) < 10)",
            "alter table volume drop constraint short",
            "short",
        ),
        ("alter table volume alter note set not null", "alter table volume alter note drop not null", "column note"),
    ],
)
def test_a_poison_row_stops_the_stream_with_its_place_and_without_its_values(
    copied: Pair, poison: str, mend: str, named: str
) -> None:
    copied.on_service(poison)
    with copied.streaming() as running:
        copied.on_monolith("insert into book (title, note) values ('fine', 'n')")
        [(xid,)] = copied.on_monolith(
            "insert into book (title) values (%s) returning pg_current_xact_id()::text", SECRET
        )
        error = running.fails(PoisonRow)
        assert "insert of public.volume" in error.message
        assert f"transaction {xid} (commit" in error.message
        assert named in error.message
        assert SECRET not in error.message
    assert copied.on_service("select name from volume") == [("fine",)]
    copied.on_service(mend)
    with copied.streaming():
        copied.caught_up()
    assert copied.on_service("select name from volume order by id") == [("fine",), (SECRET,)]


@pytest.mark.parametrize(
    ("ddl", "named"),
    [
        ("alter table book add isbn text default 'x'", "column isbn is new"),
        ("alter table book drop note", "column note is gone"),
        ("alter table book alter stock type bigint", "column stock has another type"),
        ("alter table book rename note to remark", "column remark is new; column note is gone"),
    ],
)
def test_a_changed_source_table_pauses_the_stream_right_after_what_came_before_it(
    copied: Pair, ddl: str, named: str
) -> None:
    with psycopg.connect(copied.monolith, autocommit=True) as writer:
        for n in range(300):
            writer.execute("insert into book (title) values (%s)", [str(n)])
    copied.on_monolith(ddl)
    copied.on_monolith("insert into book (title) values ('after')")
    with copied.streaming() as running:
        assert named in running.fails(SchemaChanged).message
    assert copied.on_service("select count(*) from volume") == [(300,)]
    if "isbn" in ddl:
        install.accept_schema(copied.forward)
        with copied.streaming():
            copied.caught_up()
        assert copied.on_service("select count(*) from volume") == [(301,)]


def test_rows_of_a_table_that_no_lens_reads_are_not_dropped_silently(copied: Pair) -> None:
    copied.on_monolith("insert into other values (1)")
    with copied.streaming():
        copied.caught_up()
    copied.on_monolith(f"alter publication {copied.forward.publication} add table other")
    with copied.streaming() as running:
        copied.on_monolith("insert into other values (2)")
        assert "public.other" in running.fails(UnmappedTable).message


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("set system_id = '1'", "system identifier was 1"),
        ("set timeline = 9", "timeline was 9"),
        ("set slot = 'fig_old'", "slot was fig_old"),
        ("set lsn = lsn - 1000000", "has confirmed"),
    ],
)
def test_another_source_than_the_positions_is_never_gone_on_from(copied: Pair, change: str, named: str) -> None:
    with copied.streaming():
        copied.on_monolith("insert into book (title) values ('b')")
        copied.caught_up()
    copied.on_service(f"update fig.position {change}")
    with copied.streaming() as running:
        assert named in running.fails(StreamIdentityChanged).message
    assert snapshot.copy(copied.forward).lsn > 0
    with copied.streaming():
        copied.caught_up()


def test_a_lost_slot_is_named_and_a_new_snapshot_starts_over(copied: Pair) -> None:
    copied.on_monolith("insert into book (title) values ('missed')")
    copied.on_monolith("select pg_drop_replication_slot(%s)", copied.forward.slot)
    with copied.streaming() as running:
        assert "does not exist" in running.fails(StreamIdentityChanged).message
    snapshot.copy(copied.forward)
    assert copied.on_service("select name from volume") == [("missed",)]


def test_a_stream_that_was_never_set_up_says_so(pair: Pair) -> None:
    install.install(pair.forward)
    with pair.streaming() as running:
        running.fails(NotSetUp)


def test_a_table_without_a_key_is_not_published(pair: Pair) -> None:
    pair.on_monolith("alter table loan drop constraint loan_pkey")
    with pytest.raises(SetUpError, match="no primary key"):
        install.install(pair.forward)
    pair.on_monolith("alter table loan add primary key (book_id, reader)")


def test_a_lost_session_on_either_side_is_made_again(copied: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """What an administrator or a restart does to connections; told in the log, never silent."""
    end: Callable[[StreamSpec, str], str] = lambda spec, name: (  # noqa: E731
        f"select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = '{name} {spec.name}'"
    )
    with copied.streaming():
        for query, name in (
            (copied.on_monolith, "fig-stream"),
            (copied.on_service, "fig-apply"),
            (copied.on_service, "fig-gate"),
        ):
            copied.on_monolith("insert into book (title) values ('b')")
            copied.caught_up()
            before = len(caplog.records)
            wait_until(lambda: query(end(copied.forward, name))[0][0] == 1, 10, "its session is there")  # noqa: B023
            copied.on_monolith("insert into book (title) values ('b')")
            copied.caught_up()
            wait_until(lambda: len(caplog.records) > before, 5, "the log says so")  # noqa: B023
    assert len(copied.on_service("select 1 from volume")) == 6


def test_rows_that_ddl_has_rewritten_stop_the_stream_until_they_are_copied_again(copied: Pair) -> None:
    """The sentry on the source says so in the DDL's transaction (migration_plan/sync/sentry.sql)."""
    copied.on_monolith("insert into book (title, code) values ('quiet', 'a'), ('too', 'b')")
    rewrite = (
        "begin; alter table book alter column title type text using upper(title); select pg_logical_emit_message(true,"
        """ 'fig', '{"kind": "rewritten", "domain": "%s", "what": "book was rewritten"}'); commit"""
    )
    with copied.streaming():
        copied.on_monolith(rewrite % "others")
        copied.caught_up()
    stopped = Running(Stream(copied.forward))
    copied.on_monolith(rewrite % "books")
    copied.on_monolith("insert into book (title) values ('after')")
    assert "book was rewritten" in str(stopped.fails(RowsRewritten))
    snapshot.copy(copied.forward, afresh=True)
    with copied.streaming():
        copied.caught_up()
    assert copied.on_service("select name from volume order by id") == [("QUIET",), ("TOO",), ("after",)]
    assert_same(copied)
