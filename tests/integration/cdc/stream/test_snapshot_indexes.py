"""Indexes that a first copy builds last: as they were before, whenever it dies, and never missed by a stream (I6)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from cdc import install
from cdc.catalogue import Catalogue
from cdc.copying import snapshot, snapshot_indexes
from cdc.copying.errors import CopyRefused
from cdc.projection import Table
from tests.integration.cdc.stream.conftest import as_fig, execute, make_side
from tests.integration.cdc.stream.scene import Scene, indexes, scene, writing
from tests.support.postgres import PostgresServer

__all__ = ["scene"]

SMALL = 8192
"""Bytes of a unit: every table has several."""
STAY = {"number_pkey"}
"""Foreign keys refer to it."""
AWKWARD = """
    create table "Odd %s" (
        "Id" bigint, a int not null, b text not null, c int, d int unique deferrable initially deferred,
        e int, f tsrange, g int unique deferrable, h int,
        unique nulls not distinct (h) include (e) with (fillfactor = 50),
        constraint "the key" primary key ("Id") include (a), exclude using gist (f with &&)
    );
    create unique index "Odd % unique" on "Odd %s" (lower(b) collate "C" desc nulls last, a) include (c)
        with (fillfactor = 70) where a > 0 and b <> '100%';
    create unique index alike on "Odd %s" (c) nulls not distinct;
    create index by_hash on "Odd %s" using hash (b);
    create index told on "Odd %s" (c);
    comment on index told is 'kept for the auditors';
    create index clustered on "Odd %s" (a);
    alter table "Odd %s" cluster on clustered;
    create unique index known_by on "Odd %s" (a, b);
    alter table "Odd %s" replica identity using index known_by;
    create index counted on "Odd %s" ((a + 1));
    alter index counted alter column 1 set statistics 500;
    create table refers (n int primary key references "Odd %s", m int);
    create view grouped as select n, m from refers group by n;
    create table parent (n int primary key);
    create table heir (primary key (n)) inherits (parent);
"""


def kept(scene: Scene) -> set[str]:
    return {str(row[0]).strip('"') for row in indexes(scene.target)}


def at(moment: str, act: Callable[[], None]) -> Callable[[str], None]:
    """A checkpoint that acts once."""
    lock, left = threading.Lock(), [act]

    def checkpoint(name: str) -> None:
        with lock:
            todo = left.pop() if name == moment and left else None
        if todo:
            todo()

    return checkpoint


@pytest.mark.parametrize("moment", ["indexes taken", "filled", "table indexed"])
def test_a_copy_that_dies_without_its_indexes_gets_them_back_first(scene: Scene, moment: str) -> None:
    scene.unit, before = SMALL, indexes(scene.target)
    names = kept(scene)
    with writing(scene):
        assert scene.run(moment, 2 if moment == "table indexed" else 1) == -signal.SIGKILL
        [(recorded,)] = execute(scene.target, "select array_agg(name) from fig.snapshot_index")
        assert {*recorded} | kept(scene) == names, "an index is on its table, or the target knows how to make it"
        assert {*recorded}.isdisjoint(kept(scene))
        assert execute(scene.target, "select * from fig.position") == []
        seen: list[list[tuple[object, ...]]] = []
        look = at("slot created", lambda: seen.append(indexes(scene.target)))
        snapshot.copy(scene.spec, checkpoint=look, unit_bytes=SMALL)
    assert seen == [before], "what is on the target is compared and cleared by its keys"
    assert indexes(scene.target) == before
    with scene.streaming():
        pass
    scene.assert_equal()


def test_an_empty_table_of_several_units_is_filled_without_its_indexes(scene: Scene) -> None:
    seen: list[set[str]] = []
    snapshot.copy(scene.spec, checkpoint=at("filled", lambda: seen.append(kept(scene))), unit_bytes=SMALL)
    assert seen == [STAY]


def test_while_a_key_is_away_it_is_known(scene: Scene) -> None:
    """By whoever reads the catalogue: a lens that is compiled again after a copy has died, or during one."""
    scene.unit = SMALL
    assert scene.run("filled", 1) == -signal.SIGKILL
    assert kept(scene) == STAY
    with psycopg.connect(as_fig(scene.target)) as target:
        assert Catalogue(target).get(Table("public", "several")).primary_key == ("b", "a", "c")
        assert Catalogue(target).get(Table("public", "number")).primary_key == ("id",)
    back = replace(scene.spec, source_dsn=scene.spec.target_dsn, target_dsn=scene.spec.source_dsn)
    install.install(replace(back, publication="fig_back"))


def test_every_kind_of_index_comes_back_as_it_was_or_is_left_alone(
    newest_server: PostgresServer, new_database: Callable[[PostgresServer], str]
) -> None:
    dsn = new_database(newest_server)
    make_side(newest_server, dsn, AWKWARD)
    execute(dsn, "create schema fig; grant all on schema fig to fig")
    before = indexes(dsn)
    with psycopg.connect(as_fig(dsn), autocommit=True) as target:
        target.execute(install.files("cdc").joinpath("stream.sql").read_bytes())
        target.execute("set search_path = pg_catalog")
        tables = [Table("public", name) for name in ("Odd %s", "refers", "parent", "heir")]
        taken = {}
        with target.transaction():
            for table in tables:
                taken[table.name] = {index.name for index in snapshot_indexes.movable(target, table)}
                assert snapshot_indexes.take(target, "s", table) == bool(taken[table.name])
        assert taken == {
            "Odd %s": {"Odd % unique", "alike", "by_hash", "Odd %s_h_e_key"},
            "refers": set(), "parent": set(), "heir": {"heir_pkey"},
        }  # fmt: skip
        assert len(indexes(dsn)) == len(before) - 5
        with target.transaction():
            for table in tables:
                snapshot_indexes.bring_back(target, "s", table)
    assert indexes(dsn) == before


def test_rows_that_an_index_refuses_are_named_and_go_with_the_next_copy(scene: Scene) -> None:
    scene.unit, before = SMALL, indexes(scene.target)
    execute(scene.source, "alter table number drop constraint number_code_key")
    execute(scene.source, "update number set code = 'twice' where id in (1, 2)")
    with pytest.raises(CopyRefused, match="number_code_key"):
        snapshot.copy(scene.spec, unit_bytes=SMALL)
    execute(scene.source, "update number set code = 'once' where id = 1")
    snapshot.copy(scene.spec, unit_bytes=SMALL)
    assert indexes(scene.target) == before
    scene.assert_equal()


def test_a_stream_that_is_removed_leaves_its_tables_with_their_indexes(scene: Scene) -> None:
    scene.unit, before = SMALL, indexes(scene.target)
    assert scene.run("filled", 1) == -signal.SIGKILL
    install.remove(scene.spec)
    assert indexes(scene.target) == before
    assert execute(scene.target, "select * from fig.snapshot_index") == []


def test_an_index_that_somebody_has_made_again_is_left(scene: Scene) -> None:
    scene.unit, before = SMALL, indexes(scene.target)
    assert scene.run("filled", 1) == -signal.SIGKILL
    execute(scene.target, "set role owner; alter table token add primary key (id)")
    snapshot.copy(scene.spec)
    assert indexes(scene.target) == before


def test_a_table_that_is_being_read_keeps_its_indexes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_indexes, "LOCK_PATIENCE", "100ms")
    seen: list[set[str]] = []
    with psycopg.connect(scene.target) as reader:
        reader.execute("select count(*) from token")
        snapshot.copy(scene.spec, checkpoint=at("filled", lambda: seen.append(kept(scene))), unit_bytes=SMALL)
    assert seen == [STAY | {"token_pkey"}]
    scene.assert_equal()
