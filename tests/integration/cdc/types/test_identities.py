"""What finds a row: keys, other indexes, whole rows; with large values that are not sent, odd names, partitions."""

from __future__ import annotations

import pytest

from cdc.projection import Table
from cdc.stream_errors import SetUpError
from tests.integration.cdc.types.conftest import MakeMirror
from tests.integration.cdc.types.mirror import copied

WIDE = """
    create table wide (id int primary key, code text not null, big text, doc jsonb, n int, raw bytea);
    create unique index wide_code on wide (code);
    alter table wide alter big set storage external; alter table wide alter doc set storage external;
    alter table wide alter raw set storage external;
"""
LARGE = "(select string_agg(md5(g::text || i), '') from generate_series(1, 300) g)"


@pytest.mark.parametrize("identity", ["default", "full", "using index wide_code"])
def test_large_values_that_were_not_sent_stay_whatever_the_replica_identity_is(made: MakeMirror, identity: str) -> None:
    both = made(WIDE)
    both.source(f"alter table wide replica identity {identity}")
    new = (
        f"select i, 'c' || i, {LARGE}, jsonb_build_object('v', {LARGE}), i, decode({LARGE}, 'hex')"
        " from generate_series({}, {}) i"
    )
    both.source("insert into wide " + new.format(1, 20))
    copied(both)
    with both.streaming():
        both.source("insert into wide " + new.format(21, 40))
        both.source("update wide set n = n + 1")
        both.source("update wide set id = id + 1000, n = 0 where id % 4 = 0")
        both.source("update wide set code = code || 'x' where id % 3 = 0")
        both.source("update wide set id = id + 5000, code = code || 'y' where id % 5 = 0")
        both.source("update wide set big = null, raw = '' where id % 7 = 0")
        both.source("begin; update wide set big = big || 'z' where id = 1; update wide set n = 9 where id = 1; commit")
        both.source("delete from wide where id % 11 = 0")
        both.caught_up(both.forward)
        assert not both.differences()
    assert both.target("select count(*) > 20, min(length(doc::text)) > 9000 from wide") == [(True, True)]


def test_a_table_without_a_key_keeps_exactly_as_many_equal_rows_as_the_source(made: MakeMirror) -> None:
    """NULL, text that differs though the value is equal, and a type without equality included."""
    both = made("create table log (what text, n numeric, at timestamptz, doc json)")
    with pytest.raises(SetUpError, match="no primary key"):
        copied(both)
    both.source("alter table log replica identity full")
    both.source("insert into log select 'a', 1.0, null, '{\"a\": 1}' from generate_series(1, 10)")
    copied(both)
    with both.streaming():
        both.source("insert into log select 'a', 1.0, null, '{\"a\": 1}' from generate_series(1, 5)")
        both.source("insert into log select 'a', 1.00, null, '{\"a\":1}' from generate_series(1, 5)")
        both.source("insert into log values (null, null, null, null), (null, null, null, null)")
        both.source("insert into log values ('', 0, 'infinity', '[]')")
        both.source("delete from log where ctid in (select ctid from log where n::text = '1.0' limit 7)")
        both.source("update log set n = 2 where ctid in (select ctid from log where n::text = '1.00' limit 2)")
        both.source("update log set what = 'b' where what is null")
        both.source("begin; update log set n = n + 1; delete from log where what = ''; commit")
        both.caught_up(both.forward)
    assert not both.differences()
    assert both.target("select count(*) from log") == [(20 - 7 + 2,)]


ODD = ('Weird "Schema"', 'tä b.le;%s {x} "q"')


def test_names_may_be_anything_that_postgresql_takes(made: MakeMirror) -> None:
    tables = '''
        reset role; create schema "Weird ""Schema""" authorization owner; set role owner;
        create type "Weird ""Schema"""."Mööd {}" as enum ('a', 'B c');
        create table "Weird ""Schema"""."tä b.le;%s {x} ""q""" (
            "select" int, "ключ 1" text, "ä b" "Weird ""Schema"""."Mööd {}", "percent%" text, "ж""q" int[],
            "UPPER" text unique, primary key ("select", "ключ 1"))
    '''
    both = made(tables, names=(Table(*ODD),))
    name = Table(*ODD).quoted
    copied(both)
    with both.streaming():
        both.source(
            f"insert into {name} select g, 'k' || g, 'B c', 'p', array[g], 'u' || g from generate_series(1, 100) g"
        )
        both.source(f'update {name} set "percent%" = \'q\', "ключ 1" = \'neu \' || "select" where "select" > 50')
        both.source(f'delete from {name} where "select" % 3 = 0')
        both.caught_up(both.forward)
    assert not both.differences()


PLAIN = "create table event (id int, day date, n int, primary key (id, day));"
PARTED = """
    create table event (id int, day date, n int, primary key (id, day)) partition by range (day);
    create table event_1 partition of event for values from ('2026-01-01') to ('2026-02-01');
    create table event_2 partition of event for values from ('2026-02-01') to ('2026-03-01');
    create table event_rest partition of event default;
"""


@pytest.mark.parametrize(("source", "target"), [(PARTED, PLAIN), (PLAIN, PARTED), (PARTED, PARTED)])
def test_either_side_may_be_partitioned(made: MakeMirror, source: str, target: str) -> None:
    """Rows that move between partitions, and a partition that is attached while the stream runs, included."""
    both = made(source, target, names=(Table("public", "event"),))
    both.source("insert into event select g, date '2026-01-01' + g % 80, g from generate_series(1, 200) g")
    copied(both)
    with both.streaming():
        both.source("update event set day = day + 31 where id % 2 = 0")
        both.source("update event set n = -n")
        if source == PARTED:
            both.source("set role owner; create table event_3 (like event including all)")
            both.source(
                "set role owner; alter table event attach partition event_3"
                " for values from ('2027-01-01') to ('2028-01-01')"
            )
        both.source("insert into event values (1000, '2027-05-05', 1), (1001, '2026-01-05', 1)")
        both.source("update event set day = '2026-02-02' where id = 1000")
        both.source("delete from event where id % 5 = 0")
        both.caught_up(both.forward)
        assert not both.differences()
        if source == PARTED:
            both.source("truncate event")
            both.source("insert into event values (2000, '2026-01-03', 1)")
            both.caught_up(both.forward)
            assert not both.differences()
