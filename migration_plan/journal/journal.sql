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

alter table fig.journal add column if not exists address inet;   -- From where, as this server sees it.
alter table fig.journal add column if not exists reason text;    -- Why, as the person has said it.
alter table fig.journal add column if not exists previous bytea; -- The hash of the entry before.
alter table fig.journal add column if not exists hash bytea;     -- Over `previous` and all that the entry says.

-- Append-only: not even the journal's owner edits or deletes by accident.
create or replace function fig.append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the journal is append-only';
end $$;
create or replace trigger journal_append_only before update or delete or truncate on fig.journal
    for each statement execute function fig.append_only();

-- Where the chain ends. Its row's lock makes writers queue, so that no two entries follow the same one; and the entries
-- are numbered by it, so that order of numbers, of the chain and of commits are one.
create table if not exists fig.journal_head (
    one  boolean primary key default true check (one),
    id   bigint not null,
    hash bytea not null
);

-- All that an entry says, as a text that no setting of a session changes. `chain.py` has the same one.
create or replace function fig.journal_text(e fig.journal) returns text language sql stable as $$
    select jsonb_build_array(e.id, extract(epoch from e.at)::text, e.domain, e.switch, e.kind, e.epoch, e.actor,
                             host(e.address), e.reason, e.detail)::text
$$;

-- Runs as the journal's owner, so that whoever may append needs no right to write the head.
create or replace function fig.journal_chain() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    head fig.journal_head;
begin
    select * into strict head from fig.journal_head for update;
    new.id := head.id + 1;
    new.address := inet_client_addr();
    new.previous := head.hash;
    new.hash := sha256(head.hash || convert_to(fig.journal_text(new), 'UTF8'));
    update fig.journal_head set id = new.id, hash = new.hash;
    return new;
end $$;
create or replace trigger journal_chain before insert on fig.journal
    for each row execute function fig.journal_chain();

-- A journal from before it was chained: what it says now is what is vouched for from here on.
do $$
declare
    entry fig.journal;
    last  bytea := sha256('fig.journal');
    top   bigint := 0;
begin
    lock table fig.journal in share row exclusive mode;
    if exists (select from fig.journal_head) then
        return;
    end if;
    alter table fig.journal disable trigger journal_append_only;
    for entry in select * from fig.journal order by id loop
        update fig.journal set previous = last, hash = sha256(last || convert_to(fig.journal_text(entry), 'UTF8'))
         where id = entry.id returning id, hash into top, last;
    end loop;
    alter table fig.journal enable trigger journal_append_only;
    insert into fig.journal_head (id, hash) values (top, last);
end $$;
alter table fig.journal alter column hash set not null, alter column previous set not null;
create unique index if not exists journal_previous on fig.journal (previous);

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

-- Who may do what. Of a token only the hash is kept; a revoked one stays, so that its name keeps its meaning.
create table if not exists fig.token (
    name       text primary key,
    role       text not null check (role in ('viewer', 'operator', 'admin')),
    hash       bytea not null,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null,
    revoked_at timestamptz
);

-- A role for the toolkit's everyday work: it appends to the journal, and cannot edit, delete, or make tokens.
create or replace function fig.admit(role name) returns void language plpgsql as $$
begin
    execute format('grant usage on schema fig to %I', role);
    execute format('grant select, insert on fig.journal, fig.verification to %I', role);
    execute format('grant select, insert, update on fig.stage, fig.lease to %I', role);
    execute format('grant select on fig.journal_head, fig.token to %I', role);
end $$;
