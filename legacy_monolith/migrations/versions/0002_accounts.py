"""Verified phone numbers, the codes that prove them, and rate limits."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

# Columns without a default rewrite nothing. The check reads each row once; until the commit, users wait.
TABLES = """
alter table users
    add column phone text,
    add column phone_verified_at timestamptz,
    add constraint users_phone_check check ((phone is null) = (phone_verified_at is null));

create table phone_codes (
    id         uuid primary key,
    user_id    bigint not null references users (id),
    phone      text not null,
    state      text not null check (state in ('intended', 'sent', 'refused', 'failed', 'in_doubt')),
    reference  text,
    attempts   integer not null default 0 check (attempts between 0 and 5),
    used_at    timestamptz,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index phone_codes_user_id_created_at_idx on phone_codes (user_id, created_at);
create index phone_codes_created_at_idx on phone_codes (created_at);

create table rate_limits (
    key     text primary key,
    free_at timestamptz not null
);
create index rate_limits_free_at_idx on rate_limits (free_at);
"""

GRANTS = """
do $$ begin
    if exists (select from pg_roles where rolname = 'shop_app') then
        grant select, insert, update, delete on phone_codes, rate_limits to shop_app;
    end if;
end $$;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("drop table rate_limits, phone_codes")
    op.execute("alter table users drop constraint users_phone_check, drop column phone, drop column phone_verified_at")
