"""The fence: compare-and-set, refusals by name, and the moves under a running autovacuum and a long transaction."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress

import psycopg
import pytest

from migration_plan.errors import NotCaughtUp, StaleEpoch, TablesBusy
from migration_plan.lifecycle import Row, Side
from tests.integration.fence.conftest import DOMAIN, FencedSide, prepare
from tests.support.waiting import wait_until

LOCK = 0.1


def refused(error: psycopg.Error) -> dict[str, object]:
    assert error.sqlstate == "SF421", error
    found: dict[str, object] = json.loads(error.diag.message_detail or "{}")
    return found


def test_the_owner_writes_and_a_fenced_side_names_domain_side_state_and_epoch(owner_side: FencedSide):
    with owner_side.connect(autocommit=True) as app:
        app.execute("insert into book (title) values ('a')")
        row = owner_side.side.fence(DOMAIN, 1, LOCK, [("public.book_id_seq", "public.other_id_seq")])
        assert (row.state, row.epoch) == ("fenced", 2)
        with pytest.raises(psycopg.Error) as met:
            app.execute("insert into book (title) values ('b')")
        assert refused(met.value) == {"domain": DOMAIN, "epoch": 2, "side": "monolith", "state": "fenced"}
        assert app.execute("select count(*) from book").fetchone() == (1,)


def test_only_one_of_release_and_abort_can_commit(owner_side: FencedSide):
    side = owner_side.side
    side.fence(DOMAIN, 1, LOCK, [])
    side.release(DOMAIN, 2, LOCK)
    with pytest.raises(StaleEpoch):
        side.unfence(DOMAIN, 2, LOCK)
    assert str(side.row(DOMAIN)) == "released at epoch 2"


def test_after_an_abort_a_paused_controllers_release_finds_its_epoch_gone(owner_side: FencedSide):
    side = owner_side.side
    side.fence(DOMAIN, 1, LOCK, [])
    assert str(side.unfence(DOMAIN, 2, LOCK)) == "owner at epoch 3"
    assert str(side.unfence(DOMAIN, 2, LOCK)) == "owner at epoch 3", "the same abort again is the same abort"
    for late in (side.release, side.stand_by):
        with pytest.raises(StaleEpoch):
            late(DOMAIN, 2, LOCK)
    with pytest.raises(StaleEpoch):
        side.fence(DOMAIN, 1, LOCK, [])
    with owner_side.connect(autocommit=True) as app:
        app.execute("insert into book (title) values ('again')")


def test_a_grant_wants_a_higher_epoch_and_the_marker_applied(standby_side: FencedSide):
    side = standby_side.side
    with pytest.raises(NotCaughtUp):
        side.grant(DOMAIN, 2, "books_to_service", "0/10", LOCK)
    standby_side.say_applied(2, "0/F")
    with pytest.raises(NotCaughtUp):
        side.grant(DOMAIN, 2, "books_to_service", "0/10", LOCK)
    standby_side.say_applied(2)
    with pytest.raises(StaleEpoch):
        side.grant(DOMAIN, 1, "books_to_service", "0/10", LOCK)
    assert str(side.grant(DOMAIN, 2, "books_to_service", "0/10", LOCK)) == "owner at epoch 2"
    with standby_side.connect(autocommit=True) as app:
        assert app.execute("insert into book (title) values ('x') returning id").fetchone() == (5001,)


def test_a_late_grant_never_sets_a_sequence_back(standby_side: FencedSide):
    standby_side.say_applied(2)
    standby_side.side.grant(DOMAIN, 2, "books_to_service", "0/10", LOCK)
    with standby_side.connect(autocommit=True) as app:
        app.execute("insert into book default values")
    standby_side.side.grant(DOMAIN, 2, "books_to_service", "0/10", LOCK)
    with standby_side.connect(autocommit=True) as app:
        assert app.execute("insert into book default values returning id").fetchone() == (5002,)


def test_the_applier_is_refused_on_a_side_that_owns_or_may_own_again_and_after_an_epoch_has_passed(
    owner_side: FencedSide,
):
    with owner_side.connect("fig", autocommit=True) as fig:
        with pytest.raises(psycopg.Error, match="is owner at epoch 1"):
            fig.execute("select fig.guard_apply('books', 1)")
        owner_side.side.fence(DOMAIN, 1, LOCK, [])
        with pytest.raises(psycopg.Error, match="is fenced at epoch 2"):
            fig.execute("select fig.guard_apply('books', 1)")
        with pytest.raises(psycopg.Error, match="is fenced at epoch 2"):
            fig.execute("select fig.guard_apply('books', 2)")
        owner_side.side.release(DOMAIN, 2, LOCK)
        fig.execute("select fig.guard_apply('books', 2)")


def test_a_side_is_stopped_only_as_it_was_read(owner_side: FencedSide):
    """Who read this side's row, stood still for two switches, and read the other side's, believes in two owners."""
    side = owner_side.side
    side.fence(DOMAIN, 1, LOCK, [])
    side.unfence(DOMAIN, 2, LOCK)
    for state, epoch in (("owner", 1), ("fenced", 3)):
        with pytest.raises(StaleEpoch):
            side.stop(DOMAIN, state, epoch, LOCK)
    assert str(side.row(DOMAIN)) == "owner at epoch 3"
    assert str(side.stop(DOMAIN, "owner", 3, LOCK)) == "standby at epoch 3"


TABLES = ["public.book", "public.loan"]


def test_a_side_is_enrolled_only_as_it_was_read(owner_side: FencedSide):
    """Between the reading and the enrolment it may have been restored to another time, or to one before its domain."""
    side, read = owner_side.side, owner_side.side.row(DOMAIN)
    assert read is not None
    assert side.enroll(DOMAIN, read.state, read.epoch, TABLES, 1.0, is_known=True) == read
    for change in ("state = 'standby'", "epoch = epoch + 1"):
        with owner_side.connect("fig") as fig:
            fig.execute(f"update fig.domain set {change}".encode())
        for is_known in (True, False):
            with pytest.raises(StaleEpoch):
                side.enroll(DOMAIN, read.state, read.epoch, TABLES, 1.0, is_known)
    with owner_side.connect("fig") as fig:
        fig.execute("delete from fig.domain")
    with pytest.raises(StaleEpoch, match="not enrolled"):
        side.enroll(DOMAIN, read.state, read.epoch, TABLES, 1.0, is_known=True)
    assert side.row(DOMAIN) is None, "nobody owns by a reading that is over"
    assert side.enroll(DOMAIN, "standby", 7, TABLES, 1.0) == Row(Side.MONOLITH, "standby", 7, None)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_snapshot_from_before_the_fence_does_not_get_past_it(owner_side: FencedSide, level: str):
    with owner_side.connect() as app:
        app.execute(f"set transaction isolation level {level}")
        app.execute("select count(*) from book")
        owner_side.side.fence(DOMAIN, 1, LOCK, [])
        with pytest.raises(psycopg.Error) as met:
            app.execute("insert into book (title) values ('stale')")
        assert refused(met.value)["domain"] == DOMAIN


ROGUES = {
    "zero rows": "update book set title = 'x' where false",
    "truncate": "truncate book",
    "partition": "insert into loan_2026 values (1, 2026)",
    "writable cte": "with w as (delete from book returning 1) select * from w",
    "merge": "merge into book b using (values (1)) v(i) on b.id = v.i"
    " when not matched then insert (title) values ('m')",
}


@pytest.mark.parametrize("rogue", ROGUES)
def test_rogue_statements_meet_the_fence(owner_side: FencedSide, rogue: str):
    owner_side.side.fence(DOMAIN, 1, LOCK, [])
    with owner_side.connect(autocommit=True) as app, pytest.raises(psycopg.Error) as met:
        app.execute(ROGUES[rogue])
    assert refused(met.value) == {"domain": DOMAIN, "epoch": 2, "side": "monolith", "state": "fenced"}


def test_the_application_may_neither_move_the_row_nor_call_the_moves(owner_side: FencedSide):
    owner_side.side.fence(DOMAIN, 1, LOCK, [])
    with owner_side.connect(autocommit=True) as app:
        for attempt in (
            "select fig.unfence('books', 2, 100)",
            "update fig.domain set state = 'owner'",
            "alter table book disable trigger a_fig_fence",
            "set session_replication_role = replica",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(attempt)


def test_disabling_all_triggers_on_a_fenced_side_is_refused_at_once(sentry: FencedSide):
    sentry.side.fence(DOMAIN, 1, LOCK, [])
    with sentry.connect("owner", autocommit=True) as owner, pytest.raises(psycopg.Error) as met:
        owner.execute("alter table book disable trigger user")
    assert met.value.sqlstate == "SF422"
    for name in ('"books"', "public.book", "monolith side", "epoch 2"):
        assert name in str(met.value.diag.message_primary)
    assert sentry.side.breaches(DOMAIN) == []


def test_a_bulk_load_idiom_on_the_owner_does_not_arm_its_own_fence(sentry: FencedSide):
    with sentry.connect("owner", autocommit=True) as owner:
        owner.execute("alter table book disable trigger user")
        owner.execute("alter table book enable trigger user")
        owner.execute("insert into book (title) values ('still mine')")
    assert sentry.side.breaches(DOMAIN) == []


NEW_PARTITION = {
    "created": "create table loan_2027 partition of loan for values from (2027) to (2028)",
    "attached": "create table loan_2027 (id bigint, year int not null, primary key (id, year));"
    " alter table loan attach partition loan_2027 for values from (2027) to (2028)",
}


@pytest.mark.parametrize("how", NEW_PARTITION)
def test_a_new_partition_is_fenced_from_its_first_moment(sentry: FencedSide, how: str):
    sentry.side.fence(DOMAIN, 1, LOCK, [])
    with sentry.connect("owner", autocommit=True) as owner:
        owner.execute(NEW_PARTITION[how])
        with pytest.raises(psycopg.Error) as met:
            owner.execute("insert into loan_2027 values (1, 2027)")
    assert refused(met.value)["domain"] == DOMAIN


def test_without_the_sentry_the_watchdog_names_what_was_touched_and_repairs_it(owner_side: FencedSide):
    owner_side.side.fence(DOMAIN, 1, LOCK, [])
    with owner_side.connect("owner", autocommit=True) as owner:
        owner.execute("alter table book disable trigger user")
        owner.execute("create table loan_2027 partition of loan for values from (2027) to (2028)")
    found = {(b.relation, b.trigger_state) for b in owner_side.side.breaches(DOMAIN)}
    assert found == {("book", "D"), ("loan_2027", "not enrolled")}
    owner_side.side.repair_fence(DOMAIN, LOCK)
    assert owner_side.side.breaches(DOMAIN) == []


class Writers(threading.Thread):
    """One session that writes a row every few milliseconds and remembers the longest wait, in seconds."""

    def __init__(self, side: FencedSide) -> None:
        super().__init__(daemon=True)
        self.side, self.done, self.worst, self.written, self.fenced = side, threading.Event(), 0.0, 0, 0

    def run(self) -> None:
        with self.side.connect(autocommit=True) as app:
            while not self.done.wait(0.002):
                began = time.monotonic()
                try:
                    app.execute("insert into book (title) values ('w')")
                    self.written += 1
                except psycopg.Error as error:
                    if error.sqlstate != "SF421":
                        raise
                    self.fenced += 1
                self.worst = max(self.worst, time.monotonic() - began)

    def __enter__(self) -> Writers:
        self.start()
        wait_until(lambda: self.written + self.fenced > 0, 5, "the writer writes")
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.join(10)


def begin_autovacuum(side: FencedSide) -> None:
    """Make garbage under a normal role and wait until autovacuum is at work on the table."""
    with side.connect("postgres", autocommit=True) as admin:
        admin.execute("alter table book set (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)")
        admin.execute("set session_replication_role = replica")
        admin.execute("insert into book (title) select repeat('x', 500) from generate_series(1, 20000)")
        admin.execute("delete from book where id % 2 = 0")
        at_work = "select 1 from pg_stat_progress_vacuum where relid = 'book'::regclass"
        wait_until(lambda: admin.execute(at_work).fetchone(), 20, "autovacuum is at work on the table", every=0.05)


def fence_or_grant(fenced_side: FencedSide) -> Row:
    """The move that this side makes in a switch from the monolith to the service."""
    if fenced_side.side.side is Side.MONOLITH:
        return fenced_side.side.fence(DOMAIN, 1, LOCK, [])
    return fenced_side.side.grant(DOMAIN, 2, "books_to_service", "0/10", LOCK)


@pytest.mark.parametrize(("side", "state"), [(Side.MONOLITH, "owner"), (Side.SERVICE, "standby")])
def test_fence_and_grant_get_past_a_running_autovacuum_and_writers_go_on_meanwhile(
    vacuuming_server, new_database, side, state, record_property
):
    fenced_side = prepare(vacuuming_server, new_database(vacuuming_server), side, state)
    begin_autovacuum(fenced_side)
    with Writers(fenced_side) as writers:
        if side is Side.SERVICE:
            fenced_side.say_applied(2)
        # Short patience alone starves: autovacuum yields only to an older waiter.
        with pytest.raises(TablesBusy):
            fence_or_grant(fenced_side)
        before = writers.written + writers.fenced
        moved = settle_and_move(fenced_side)
        assert writers.written + writers.fenced > before, "nobody waited while autovacuum was sent away"
        assert moved.epoch == 2
    record_property("worst_writer_seconds", writers.worst)
    fenced_side.side.close()


def test_a_vacuum_against_wraparound_does_not_yield_and_is_named_while_writers_go_on(vacuuming_server, new_database):
    fenced_side = prepare(vacuuming_server, new_database(vacuuming_server), Side.MONOLITH, "owner")
    with fenced_side.connect("postgres", autocommit=True) as admin:
        admin.execute("alter table book set (autovacuum_freeze_max_age = 100000)")
        admin.execute("insert into book (title) select repeat('x', 500) from generate_series(1, 20000)")
        # As old as the table would be after so many transactions.
        admin.execute(
            "update pg_class set relfrozenxid = ((pg_current_xact_id()::text::bigint - 150000 + (1::bigint << 32))"
            " % (1::bigint << 32))::text::xid where oid = 'book'::regclass"
        )
        at_work = "select 1 from pg_stat_activity where query like '%book (to prevent wraparound)'"
        wait_until(lambda: admin.execute(at_work).fetchone(), 20, "the vacuum is at work", every=0.05)
    with Writers(fenced_side) as writers:
        before = writers.written
        with pytest.raises(TablesBusy, match=r"VACUUM to prevent wraparound.* holds ShareUpdateExclusiveLock on book"):
            fenced_side.side.settle(DOMAIN, 1.5)
        with pytest.raises(TablesBusy, match="VACUUM to prevent wraparound"):
            fenced_side.side.fence(DOMAIN, 1, LOCK, [])
        assert (writers.written > before, writers.fenced) == (True, 0)
    fenced_side.side.close()


def settle_and_move(fenced_side: FencedSide) -> Row:
    """As a switch does: the next autovacuum may begin right behind the one that was sent away."""
    for _ in range(4):
        fenced_side.side.settle(DOMAIN, 10.0)
        with suppress(TablesBusy):
            return fence_or_grant(fenced_side)
    return fence_or_grant(fenced_side)


def test_a_long_transaction_is_named_and_holds_up_nobody_else(owner_side: FencedSide, record_property):
    with owner_side.connect() as long, Writers(owner_side) as writers:
        long.execute("insert into book (title) values ('slow')")
        for _ in range(5):
            with pytest.raises(TablesBusy) as busy:
                owner_side.side.fence(DOMAIN, 1, LOCK, [])
            assert busy.value.blockers[0].pid == long.info.backend_pid
            assert "test-app" in str(busy.value)
            assert "RowExclusiveLock on book" in str(busy.value)
        assert writers.fenced == 0
        long.commit()
        wait_until(
            lambda: not [b for b in owner_side.side.blockers(DOMAIN) if b.seconds > LOCK],
            5,
            "the way is free",
        )
        assert owner_side.side.fence(DOMAIN, 1, 1.0, []).state == "fenced"
        with owner_side.connect() as app:
            count = app.execute("select count(*) from book").fetchone()
    record_property("worst_writer_seconds", writers.worst)
    assert count == (writers.written + 1,)


def test_whoever_reads_keeps_a_fence_from_being_taken_away_and_is_named(owner_side: FencedSide):
    with owner_side.connect() as reader:
        reader.execute("select from book")
        with pytest.raises(TablesBusy, match=r"test-app.* holds AccessShareLock on book"):
            owner_side.side.dismiss(DOMAIN, LOCK)
    owner_side.side.dismiss(DOMAIN, 1.0)


def test_a_prepared_transaction_is_named_though_no_session_shows_it(owner_side: FencedSide):
    with owner_side.connect() as app:
        app.execute("insert into book (title) values ('prepared')")
        app.execute("prepare transaction 'forgotten'")
    try:
        with pytest.raises(TablesBusy, match="prepared transaction forgotten"):
            owner_side.side.fence(DOMAIN, 1, LOCK, [])
    finally:
        with owner_side.connect(autocommit=True) as app:
            app.execute("rollback prepared 'forgotten'")
    assert owner_side.side.fence(DOMAIN, 1, LOCK, []).state == "fenced"


def test_a_long_writer_on_the_standby_side_is_named_by_the_grant(standby_side: FencedSide):
    standby_side.say_applied(2)
    with standby_side.connect("postgres") as long:
        long.execute("set session_replication_role = replica")
        long.execute("insert into book (title) values ('rogue')")
        with pytest.raises(TablesBusy) as busy:
            standby_side.side.grant(DOMAIN, 2, "books_to_service", "0/10", LOCK)
        assert busy.value.blockers[0].pid == long.info.backend_pid
        long.rollback()
    assert standby_side.side.grant(DOMAIN, 2, "books_to_service", "0/10", LOCK).state == "owner"


SILENT = {
    "the same type": ("alter table book alter column title type text using upper(title)", "book was rewritten"),
    "a partition's rows": ("alter table loan alter column id type int using id::int", "loan_2026 was rewritten"),
    "a partition": ("drop table loan_2026", "public.loan_2026 was dropped"),
    "a detached one": ("alter table loan detach partition loan_2026; drop table loan_2026", "loan_2026 was dropped"),
    "a new column": ("alter table book add column drawn float default random()", ""),
    "nothing": ("alter table book set unlogged; alter table book set logged", ""),
}


@pytest.mark.parametrize("change", SILENT)
def test_ddl_that_changes_rows_without_events_is_told_in_the_log(sentry: FencedSide, change: str):
    statement, told = SILENT[change]
    said = said_by(sentry, statement)
    assert [told in one["what"] and one["domain"] == DOMAIN for one in said] == [True] * bool(told)


def test_ddl_on_a_copy_is_not_told(sentry: FencedSide):
    sentry.side.fence(DOMAIN, 1, LOCK, [])
    assert said_by(sentry, SILENT["the same type"][0]) == []


def said_by(side: FencedSide, statement: str) -> list[dict[str, str]]:
    """What the log has under our prefix about rows that were rewritten."""
    slot = f"said_{side.database}"
    with side.connect("postgres", autocommit=True) as admin:
        admin.execute("select pg_create_logical_replication_slot(%s, 'test_decoding')", [slot])
        try:
            with side.connect("owner", autocommit=True) as owner:
                owner.execute(statement)
            rows = admin.execute("select data from pg_logical_slot_get_changes(%s, null, null)", [slot]).fetchall()
        finally:
            admin.execute("select pg_drop_replication_slot(%s)", [slot])
    messages = [data.split("content:", 1)[1] for (data,) in rows if "prefix: fig," in data]
    return [said for said in map(json.loads, messages) if said["kind"] == "rewritten"]


def test_a_rehearsal_of_the_moves_is_taken_back_and_finds_a_trigger_that_somebody_took_away_again(
    owner_side: FencedSide,
):
    """What is left of it is a session that has done it before; the streams have nothing to carry."""
    side = owner_side.side
    with owner_side.connect("fig", autocommit=True) as fig:
        for _ in range(2):
            side.rehearse()
            assert str(side.row("fig_rehearsal")) == "owner at epoch 1"
        fig.execute("drop trigger a_fig_fence on fig.rehearsal")
        side.rehearse()
        found = fig.execute("select tgenabled::text from pg_trigger where tgrelid = 'fig.rehearsal'::regclass")
        assert found.fetchall() == [("D",)]
    assert str(side.row(DOMAIN)) == "owner at epoch 1"
