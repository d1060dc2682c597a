-- What both sides of the domain "notifications" of these tests have: an inbox, and a diary that would show an event
-- which took effect twice. A type that stands in `trouble` cannot be written down.
create table inbox (message_id uuid primary key, type text not null, received_at timestamptz not null default now());
create table diary (line bigserial primary key, event uuid not null, type text not null);
create table trouble (type text primary key);
create table tick (moment timestamptz not null default clock_timestamp(), run uuid not null, ended timestamptz);
create schema fig;
create table fig.domain (domain text primary key, side text, state text, epoch bigint);
grant usage on schema fig to app;
grant select on fig.domain to app;
create function fig.deny() returns trigger language plpgsql as $$
begin
    raise exception using errcode = 'SF421', message = 'domain "notifications" is not owned here',
        detail = '{"domain": "notifications", "epoch": 1}';
end $$;
create trigger a_fig_fence before insert or update or delete on inbox
    for each statement execute function fig.deny();
alter table inbox disable trigger a_fig_fence;
grant select, insert, update, delete on inbox, diary, trouble, tick to app;
grant usage on all sequences in schema public to app;
