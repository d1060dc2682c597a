-- What is decided about each stream and publisher whose slot is in this database: paused by a person, without its
-- slot for the sake of this server's disk, on its way back. It stands on the source, because that is the server that
-- is endangered and that has to answer when a slot is given up; nothing else has to.
-- Run as role "fig"; may be run again at any time.

create schema if not exists fig;
grant usage on schema fig to public;

create table if not exists fig.stream_control (
    name     text primary key,
    paused   text not null default '',              -- by whom; empty: by nobody
    phase    text not null default 'running',       -- cdc/control.py: Phase
    code     text not null default '',              -- why it is not running: the error's code
    reason   text not null default '',              -- and in words; never a value of a row
    times    int not null default 0,                -- how often it gave up without a steady time in between
    since    timestamptz not null default clock_timestamp(),
    again_at timestamptz,                           -- not before that time
    progress text not null default ''               -- of the copy that is being made
);
grant select on fig.stream_control to public;

-- How often the heartbeat of each slot's stream has beaten here. The target remembers the last number whose place in the
-- log it has applied (fig.heard): a database that says less has come back from the past, whatever its log looks like.
create table if not exists fig.heartbeat (
    slot  text primary key,
    beats bigint not null
);
grant select on fig.heartbeat to public;
