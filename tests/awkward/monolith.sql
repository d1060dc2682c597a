-- The monolith's database as fifteen years have left it. Run by the owner of the tables, acme_owner.
create schema acme;
create collation acme."no Case" (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

create table acme.members (
    "memberId" uuid primary key default gen_random_uuid(),
    "e-mail"   text collate acme."no Case" not null unique,
    "Name"     text not null,
    joined     timestamp not null default (now() at time zone 'UTC')
);

-- Domain "ledger": accounts and their entries.
create sequence acme."Account_order";
create table acme."Account" (
    "accountId" uuid primary key default gen_random_uuid(),
    "memberId"  uuid not null references acme.members on delete cascade,
    "Label"     text collate acme."no Case" not null,
    "order"     bigint not null default nextval('acme."Account_order"'),
    closed      boolean not null default false,
    balance     numeric(12, 2) not null default 0 check (balance >= -1000),
    "opened at" timestamp not null default (now() at time zone 'UTC'),
    unique ("memberId", "Label")
);
create table acme."Entry" (
    "accountId" uuid not null references acme."Account",
    "no"        integer not null,
    "bookedOn"  date not null default current_date,
    kind        varchar(1) not null check (kind in ('D', 'W', 'T', 'I')),
    amount      numeric(12, 2) not null,
    memo        text,
    primary key ("accountId", "no", "bookedOn")
) partition by range ("bookedOn");
create table acme."Entry_old" partition of acme."Entry" for values from (minvalue) to ('2026-01-01');
create table acme."Entry_2026" partition of acme."Entry" for values from ('2026-01-01') to ('2027-01-01');
create table acme."Entry_later" partition of acme."Entry" for values from ('2027-01-01') to (maxvalue);

-- Not of the domain: statements hang on accounts, and everything that happens to an account is audited, keyless.
create table acme.statements (
    id          bigserial primary key,
    "accountId" uuid not null references acme."Account" on delete cascade,
    closing     numeric(12, 2) not null,
    drawn       timestamptz not null default now()
);
create table acme.audit_log (
    at   timestamptz not null default clock_timestamp(),
    who  name not null default current_user,
    what text not null
);
create function acme.audit() returns trigger language plpgsql security definer as $$
begin
    insert into acme.audit_log (what) values (tg_op || ' ' || coalesce(new."accountId", old."accountId"));
    return null;
end $$;
create trigger "Account audit" after insert or update or delete on acme."Account"
    for each row execute function acme.audit();
create view acme.rich as select "memberId", sum(balance) as wealth from acme."Account" group by 1;

grant usage on schema acme to acme_app;
grant select, insert, update, delete on all tables in schema acme to acme_app;
grant usage, select on all sequences in schema acme to acme_app;
