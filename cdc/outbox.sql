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

-- Rows that are no events, and that a person has decided to leave out.
create table if not exists fig.outbox_skipped (
    name  text not null,
    event uuid not null,
    primary key (name, event)
);
