-- Which outboxes of this database are published, from which place in which server's log.
-- Run as role "fig"; may be run again at any time.

create schema if not exists fig;
grant usage on schema fig to public;

create table if not exists fig.outbox (
    name        text primary key,
    slot        text not null,
    system_id   text not null,
    timeline    int not null,
    backlog     boolean not null,   -- rows older than the slot have still to be published
    prepared_at timestamptz not null default clock_timestamp()
);

-- All that was committed when this snapshot was taken is with the broker: what a new slot need not publish again.
alter table fig.outbox add column if not exists published pg_snapshot;

-- A row's xmin with its epoch, seen from a full transaction id of about now: the nearest one of the three possible.
create or replace function fig.full_xid(p_xid xid, p_now bigint) returns xid8 language sql immutable as $$
    select greatest(3, case
        when near - p_now > 2147483648 then near - 4294967296
        when p_now - near > 2147483648 then near + 4294967296
        else near end)::text::xid8
    from (select (p_now / 4294967296) * 4294967296 + p_xid::text::bigint as near) n
$$;

-- Rows that are no events, and that a person has decided to leave out.
create table if not exists fig.outbox_skipped (
    name  text not null,
    event uuid not null,
    primary key (name, event)
);
