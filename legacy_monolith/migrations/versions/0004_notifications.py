"""Messages to people, what they want to hear of, the events heard, and the outboxes of those who tell."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = """
create table notification_preferences (
    user_id       bigint primary key references users (id),
    email_orders  boolean not null default true,
    email_sales   boolean not null default true,
    email_account boolean not null default true,
    sms_orders    boolean not null default false,
    sms_sales     boolean not null default false,
    updated_at    timestamptz not null default now()
);

create table notification_messages (
    id              uuid primary key,
    user_id         bigint not null references users (id),
    event_id        uuid not null,
    kind            text not null,
    channel         text not null check (channel in ('email', 'sms')),
    recipient       text,
    subject         text not null,
    body            text not null,
    state           text not null check (state in ('pending', 'sending', 'sent', 'failed', 'in_doubt', 'skipped')),
    attempts        integer not null default 0 check (attempts between 0 and 5),
    next_attempt_at timestamptz,
    claimed_at      timestamptz,
    reference       text,
    created_at      timestamptz not null default now(),
    sent_at         timestamptz,
    read_at         timestamptz
);
create index notification_messages_user_id_created_at_id_idx on notification_messages (user_id, created_at, id);
create index notification_messages_unread_idx on notification_messages (user_id) where read_at is null;
create index notification_messages_due_idx on notification_messages (next_attempt_at)
    where next_attempt_at is not null;
create index notification_messages_claimed_idx on notification_messages (claimed_at) where state = 'sending';
create index notification_messages_reference_idx on notification_messages (reference) where reference is not null;

create table notifications_inbox (
    message_id  uuid primary key,
    type        text not null,
    received_at timestamptz not null default now()
);
create index notifications_inbox_received_at_idx on notifications_inbox (received_at);

create table users_outbox (
    id         uuid primary key,
    type       text not null,
    payload    jsonb not null,
    created_at timestamptz not null default now()
);
create index users_outbox_created_at_idx on users_outbox (created_at);

create table payments_outbox (
    id         uuid primary key,
    type       text not null,
    payload    jsonb not null,
    created_at timestamptz not null default now()
);
create index payments_outbox_created_at_idx on payments_outbox (created_at);
"""

GRANTS = """
do $$ begin
    if exists (select from pg_roles where rolname = 'shop_app') then
        grant select, insert, update, delete on notification_preferences, notification_messages, notifications_inbox,
            users_outbox, payments_outbox to shop_app;
    end if;
end $$;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(
        "drop table payments_outbox, users_outbox, notifications_inbox, notification_messages, notification_preferences"
    )
