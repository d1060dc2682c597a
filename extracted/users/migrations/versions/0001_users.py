"""Accounts with their credentials and verified phones, the codes that verify, rate limits, and the outbox."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TYPES = """
create type account_role as enum ('buyer', 'seller');
create type code_state as enum ('intended', 'sent', 'refused', 'failed', 'in_doubt');
"""

# What is shown, what opens the account, and what proves a phone: each is read by whom it concerns.
ACCOUNTS = """
create table account (
    id         bigserial primary key,
    email      text not null,
    name       text not null,
    role       account_role not null,
    created_at timestamptz not null default now()
);
create unique index account_email on account (lower(email));

create table credential (
    account_id    bigint primary key references account,
    password_hash text not null,
    session_epoch integer not null default 1
);

-- Only a number that was proved has a row.
create table verification (
    account_id  bigint primary key references account,
    phone       text not null,
    verified_at timestamptz not null
);
"""

CODES = """
create table code (
    id         uuid primary key,
    account_id bigint not null references account,
    phone      text not null,
    state      code_state not null,
    reference  text,
    attempts   integer not null default 0 check (attempts between 0 and 5),
    used_at    timestamptz,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index code_account on code (account_id, created_at);
create index code_created on code (created_at);

create table rate_limit (
    key     text primary key,
    free_at timestamptz not null
);
create index rate_limit_free on rate_limit (free_at);
"""

OUTBOX = """
create table outbox (
    id         uuid primary key,
    type       text not null,
    payload    jsonb not null,
    created_at timestamptz not null default now()
);
create index outbox_created on outbox (created_at);
"""

# The application may change rows, not tables: a fence made of triggers is out of its reach.
GRANTS = """
grant usage on schema public to users_app;
grant select, insert, update, delete on account, credential, verification, code, rate_limit, outbox to users_app;
grant usage on sequence account_id_seq to users_app;
"""


def upgrade() -> None:
    for script in (TYPES, ACCOUNTS, CODES, OUTBOX, GRANTS):
        op.execute(script)


def downgrade() -> None:
    op.execute("drop table outbox, rate_limit, code, verification, credential, account")
    op.execute("drop type code_state, account_role")
