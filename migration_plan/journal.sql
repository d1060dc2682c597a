-- The journal's own database: what was meant, what came of it, how far each domain is, who is at work.

create schema if not exists fig;

create table if not exists fig.journal (
    id     bigint generated always as identity primary key,
    at     timestamptz not null default clock_timestamp(),
    domain text not null,
    switch uuid,
    kind   text not null,
    epoch  bigint,
    actor  text not null,
    detail jsonb not null default '{}'
);
create index if not exists journal_domain on fig.journal (domain, id);

-- Append-only: not even the journal's owner edits or deletes by accident.
create or replace function fig.append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the journal is append-only';
end $$;
create or replace trigger journal_append_only before update or delete or truncate on fig.journal
    for each statement execute function fig.append_only();

create table if not exists fig.stage (
    domain     text primary key,
    stage      text not null,
    epoch      bigint not null,
    changed_at timestamptz not null default clock_timestamp()
);

create table if not exists fig.lease (
    domain text primary key,
    holder text not null,
    token  bigint not null,
    until  timestamptz not null
);

create table if not exists fig.verification (
    id          bigint generated always as identity primary key,
    domain      text not null,
    at          timestamptz not null default clock_timestamp(),
    rows        bigint not null,
    differences bigint not null,
    detail      jsonb not null
);
