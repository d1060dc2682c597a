-- What a stream keeps on its target: how far it has applied, and which source columns it was set up for.
-- Run as role "fig"; may be run again at any time.
--
-- SF411 somebody else has moved the position      SF412 a statement changed another number of rows than it should
-- SF413 a change was to be left out that nobody wanted left out

create schema if not exists fig;
grant usage on schema fig to public;

create table if not exists fig.position (
    stream      text primary key,
    system_id   text not null,
    timeline    int not null,
    slot        text not null,
    lsn         pg_lsn not null,      -- end of the last applied source transaction
    source_time timestamptz,          -- everything that the source acknowledged before this time is applied
    probe       text,
    marker      jsonb,
    updated_at  timestamptz not null default clock_timestamp()
) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
grant select on fig.position to public;

-- The last beat of the source's heartbeat whose place in the log this target has applied.
create table if not exists fig.heard (
    stream text primary key,
    beats  bigint not null
);
grant select on fig.heard to public;

-- The columns of each source table when the stream was set up; a relation that differs stops the stream.
create table if not exists fig.stream_source (
    stream   text not null references fig.position on delete cascade,
    relation text not null,
    columns  jsonb not null,          -- [[name, type oid, type modifier], ...] as pgoutput announces them
    primary key (stream, relation)
);

-- Last in every transaction of a stream: position by compare-and-set, origin for loop prevention.
-- replica role skips the foreign key of fig.stream_source, so nothing else is touched here.
create or replace function fig.advance_position(
    p_stream text, p_old pg_lsn, p_new pg_lsn, p_source_time timestamptz, p_probe text, p_marker jsonb
) returns void language plpgsql as $$
begin
    update fig.position
    set lsn = p_new, source_time = coalesce(p_source_time, source_time), probe = coalesce(p_probe, probe),
        marker = coalesce(p_marker, marker), updated_at = pg_catalog.clock_timestamp()
    where stream operator(pg_catalog.=) p_stream and lsn operator(pg_catalog.=) p_old;
    if not found then
        raise exception using errcode = 'SF411',
            message = pg_catalog.format('stream %s is no longer at %s', p_stream, p_old);
    end if;
    perform pg_catalog.pg_replication_origin_xact_setup(p_new, coalesce(p_source_time, pg_catalog.now()));
end $$;

-- Around every statement of a stream: it has to change exactly the rows it names, or the transaction must not commit.
create or replace function fig.expect_rows(p_changed bigint, p_expected bigint) returns void language plpgsql as $$
begin
    if p_changed operator(pg_catalog.<>) p_expected then
        raise exception using errcode = 'SF412',
            message = pg_catalog.format('%s rows changed instead of %s', p_changed, p_expected);
    end if;
end $$;

revoke execute on function fig.advance_position, fig.expect_rows from public;

-- Copies of rows: the first one of a stream (task "initial") and refills of single tables while it runs (the table's
-- name). Each attempt has its own id, which every one of its transactions shares with a lock: a new attempt waits for
-- those of a dead one, and none of a dead one can commit after it.
create table if not exists fig.snapshot (
    stream          text not null,
    task            text not null,
    attempt         uuid not null,
    began_at        timestamptz not null default clock_timestamp(),
    rows_expected   bigint not null default 0,   -- an estimate
    asked           jsonb,                       -- [after, upto]: the range of keys that was asked for
    source_snapshot text,                        -- what the first copy saw of the source: pg_snapshot
    lens            jsonb,                       -- target table -> column -> what it was made of
    completed_at    timestamptz,
    primary key (stream, task)
);
create table if not exists fig.snapshot_unit (
    stream   text not null,
    task     text not null,
    filling  int not null,                       -- one primary projection with its parts
    number   int not null,
    target   text not null,
    after    text[],                             -- rows with after < key <= upto; null is no bound
    upto     text[],
    state    text not null default 'waiting' check (state in ('waiting', 'pruned', 'kept', 'filled')),
    rows     bigint not null default 0,
    bytes    bigint not null default 0,
    done_at  timestamptz,
    primary key (stream, task, filling, number)
);
-- Indexes that a first copy has taken from an empty table and builds last; written in the transaction that takes one
-- away, gone in the one that has it back. While a key is missing, this is what tells it.
create table if not exists fig.snapshot_index (
    stream     text not null,
    relation   text not null,
    number     int not null,
    name       text not null,
    definition text not null,
    adds       text,                             -- the statement that makes it a constraint again
    key        text[] not null,                  -- the columns of a primary key; empty for others
    primary key (stream, relation, number)
);
-- Which transactions have copied: the last writer of a row can be one of them.
create table if not exists fig.snapshot_writer (
    stream text not null,
    xid    xid8 not null,
    primary key (stream, xid)
);
grant select on fig.snapshot, fig.snapshot_unit, fig.snapshot_index, fig.snapshot_writer to public;

-- Changes that an operator wants left out (`cdc/target/skip.py`), and those that were: they explain what verification finds.
create table if not exists fig.skip (
    stream   text not null,
    lsn      pg_lsn not null,         -- of the source's commit record
    ordinal  int not null,            -- of the change in its transaction, from 1; 0 for all of them
    who      text not null,
    why      text not null,
    asked_at timestamptz not null default clock_timestamp(),
    used_at  timestamptz,
    primary key (stream, lsn, ordinal)
);
create table if not exists fig.skipped (
    stream   text not null,
    lsn      pg_lsn not null,
    ordinal  int not null,
    relation text not null,           -- of the source
    key      jsonb not null,          -- the source's key columns and their texts
    who      text not null,
    why      text not null,
    at       timestamptz not null default clock_timestamp(),
    primary key (stream, lsn, ordinal)
);

-- In the transaction that moves the position past the change: a request is used exactly once, and never unasked.
create or replace function fig.record_skipped(
    p_stream text, p_lsn pg_lsn, p_ordinal int, p_relation text, p_key jsonb
) returns void language plpgsql as $$
begin
    update fig.skip set used_at = pg_catalog.clock_timestamp()
    where stream operator(pg_catalog.=) p_stream and lsn operator(pg_catalog.=) p_lsn
      and ordinal operator(pg_catalog.=) any (array[0, p_ordinal]);
    insert into fig.skipped (stream, lsn, ordinal, relation, key, who, why)
    select p_stream, p_lsn, p_ordinal, p_relation, p_key, s.who, s.why from fig.skip s
    where s.stream operator(pg_catalog.=) p_stream and s.lsn operator(pg_catalog.=) p_lsn
      and s.ordinal operator(pg_catalog.=) any (array[0, p_ordinal])
    order by s.ordinal desc limit 1;
    if not found then
        raise exception using errcode = 'SF413',
            message = pg_catalog.format('nobody asked to skip change %s of %s', p_ordinal, p_lsn);
    end if;
end $$;
revoke execute on function fig.record_skipped from public;

-- As fig.advance_position, for a role that may not use replication origins: its transactions are signed by a message
-- (cdc/signature.py), and the position is all that is kept of where they are from.
create or replace function fig.advance_unoriginated(
    p_stream text, p_old pg_lsn, p_new pg_lsn, p_source_time timestamptz, p_probe text, p_marker jsonb
) returns void language plpgsql as $$
begin
    update fig.position
    set lsn = p_new, source_time = coalesce(p_source_time, source_time), probe = coalesce(p_probe, probe),
        marker = coalesce(p_marker, marker), updated_at = pg_catalog.clock_timestamp()
    where stream operator(pg_catalog.=) p_stream and lsn operator(pg_catalog.=) p_old;
    if not found then
        raise exception using errcode = 'SF411',
            message = pg_catalog.format('stream %s is no longer at %s', p_stream, p_old);
    end if;
end $$;
revoke execute on function fig.advance_unoriginated from public;

-- Through Kafka: where in its topic a stream is, written together with its position. The position decides what is
-- applied; the place says where to go on reading, and that the topic still has what follows.
create table if not exists fig.topic_place (
    stream   text primary key,
    topic    text not null,
    topic_id text not null,           -- another one when the topic is deleted and made again
    next     bigint not null,         -- offset
    session  bigint not null,         -- the publisher's, and its number of the record before
    number   bigint not null
) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- The columns of each table as its topic announced them, before the place.
create table if not exists fig.topic_relation (
    stream    text not null,
    relation  bigint not null,
    announced bytea not null,
    primary key (stream, relation)
);

create or replace function fig.keep_place(
    p_stream text, p_topic text, p_topic_id text, p_next bigint, p_session bigint, p_number bigint
) returns void language sql as $$
    insert into fig.topic_place values (p_stream, p_topic, p_topic_id, p_next, p_session, p_number)
    on conflict (stream) do update
    set topic = excluded.topic, topic_id = excluded.topic_id, next = excluded.next, session = excluded.session,
        number = excluded.number
$$;

create or replace function fig.keep_relation(p_stream text, p_relation bigint, p_announced bytea)
returns void language sql as $$
    insert into fig.topic_relation values (p_stream, p_relation, p_announced)
    on conflict (stream, relation) do update set announced = excluded.announced
$$;

revoke execute on function fig.keep_place, fig.keep_relation from public;

-- In parallel: where each partition is, written together with its rows by whoever has the partition now.
create table if not exists fig.partition_place (
    stream    text not null,
    topic     text not null,
    partition int not null,
    topic_id  text not null,
    next      bigint not null,
    session   bigint not null default 0,
    number    bigint not null default 0,
    last      bigint[] not null default '{0,0,0}',  -- order key of the last record that was applied
    lsn       pg_lsn not null,                      -- everything before it is applied here
    primary key (stream, topic, partition)
) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- What the source said at an LSN, until every partition has passed it.
create table if not exists fig.barrier (
    stream      text not null,
    lsn         pg_lsn not null,
    source_time timestamptz,
    probe       text,
    marker      jsonb,
    primary key (stream, lsn)
);

-- Compare-and-set: of two appliers that believe to have a partition, one is refused.
create or replace function fig.advance_partition(
    p_stream text, p_topic text, p_partition int, p_old bigint, p_new bigint, p_session bigint, p_number bigint,
    p_last bigint[], p_lsn pg_lsn
) returns void language plpgsql as $$
begin
    update fig.partition_place
    set next = p_new, session = p_session, number = p_number, last = p_last
    where stream operator(pg_catalog.=) p_stream and topic operator(pg_catalog.=) p_topic
      and partition operator(pg_catalog.=) p_partition and next operator(pg_catalog.=) p_old;
    if not found then
        raise exception using errcode = 'SF411',
            message = pg_catalog.format('partition %s of %s is no longer at %s', p_partition, p_topic, p_old);
    end if;
    if p_lsn is not null then
        perform pg_catalog.pg_replication_origin_xact_setup(p_lsn, pg_catalog.now());
    end if;
end $$;

-- Partitions have passed barriers; the stream's position is behind the last one that all have passed. Whoever comes
-- last sees it: the position's row is locked before the partitions are looked at, and until the commit.
-- p_barriers: [[lsn, time, probe, marker], ...], rising; p_passed: [[topic, partition, lsn], ...]
create or replace function fig.pass_barriers(p_stream text, p_barriers jsonb, p_passed jsonb)
returns void language plpgsql set search_path = pg_catalog as $$
declare
    reached pg_lsn;
begin
    insert into fig.barrier (stream, lsn, source_time, probe, marker)
    select p_stream, (b ->> 0)::pg_lsn, (b ->> 1)::timestamptz, b ->> 2, nullif(b -> 3, 'null')
    from jsonb_array_elements(p_barriers) with ordinality e(b, place) order by place
    on conflict do nothing;
    update fig.partition_place p set lsn = greatest(p.lsn, (b ->> 2)::pg_lsn)
    from jsonb_array_elements(p_passed) e(b)
    where p.stream = p_stream and p.topic = b ->> 0 and p.partition = (b ->> 1)::int;
    perform from fig.position where stream = p_stream for update;
    select min(lsn) into reached from fig.partition_place where stream = p_stream;
    update fig.position p
    set lsn = reached, updated_at = clock_timestamp(),
        source_time = coalesce((select max(source_time) from fig.barrier where stream = p_stream and lsn <= reached),
                               p.source_time),
        probe = coalesce((select b.probe from fig.barrier b where stream = p_stream and lsn <= reached
                          and b.probe is not null order by lsn desc limit 1), p.probe),
        marker = coalesce((select b.marker from fig.barrier b where stream = p_stream and lsn <= reached
                           and b.marker is not null order by lsn desc limit 1), p.marker)
    where p.stream = p_stream and p.lsn < reached;
    delete from fig.barrier where stream = p_stream and lsn <= reached;
end $$;

revoke execute on function fig.advance_partition, fig.pass_barriers from public;
