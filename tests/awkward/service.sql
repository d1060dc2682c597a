-- The new service's own schema for the domain "ledger". Run by the owner of the tables, book_owner.
create schema book;
create type book.entry_kind as enum ('deposit', 'withdrawal', 'transfer', 'interest');
create sequence book.account_position;
create table book.account (
    id            uuid primary key default gen_random_uuid(),
    member_id     uuid not null,
    label         text not null,
    position      bigint not null default nextval('book.account_position'),
    state         text not null default 'open' check (state in ('open', 'closed')),
    balance_cents bigint not null default 0 check (balance_cents >= -100000),
    opened_at     timestamptz not null default now()
);
create unique index on book.account (member_id, lower(label));
create table book.entry (
    account_id   uuid not null references book.account,
    number       integer not null,
    booked_on    date not null default current_date,
    kind         book.entry_kind not null,
    amount_cents bigint not null,
    memo         text,
    primary key (account_id, number, booked_on)
);
grant usage on schema book to book_app;
grant select, insert, update, delete on all tables in schema book to book_app;
grant usage, select on all sequences in schema book to book_app;
