"""Messages to people, what they want to hear of, and the events heard."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TYPES = """
create type message_channel as enum ('email', 'sms');
create type message_status as enum ('queued', 'sending', 'sent', 'failed', 'unknown', 'suppressed');
create type preference_channel as enum ('email', 'sms');
create type preference_topic as enum ('orders', 'sales', 'account');
"""

MESSAGES = """
create table message (
    id          uuid primary key,
    receiver_id bigint not null,
    event_id    uuid not null,
    kind        text not null,
    channel     message_channel not null,
    address     text,
    title       text not null,
    body        text not null,
    status      message_status not null,
    attempts    integer not null default 0 check (attempts between 0 and 5),
    due_at      timestamptz,
    claimed_at  timestamptz,
    reference   text,
    created_at  timestamptz not null default now(),
    sent_at     timestamptz,
    read_at     timestamptz
);
create index message_receiver on message (receiver_id, created_at, id);
create index message_unread on message (receiver_id) where read_at is null;
create index message_due on message (due_at) where due_at is not null;
create index message_claimed on message (claimed_at) where status = 'sending';
create index message_reference on message (reference) where reference is not null;
"""

# Who chose something has a row in preference_owner, and one in preference for each thing there is to choose.
PREFERENCES = """
create table preference_owner (
    user_id    bigint primary key,
    updated_at timestamptz not null default now()
);
create table preference (
    user_id bigint not null references preference_owner,
    channel preference_channel not null,
    topic   preference_topic not null,
    enabled boolean not null,
    primary key (user_id, channel, topic),
    check (not (channel = 'sms' and topic = 'account'))
);
"""

INBOX = """
create table inbox (
    message_id  uuid primary key,
    type        text not null,
    received_at timestamptz not null default now()
);
create index inbox_received on inbox (received_at);
"""

# The application may change rows, not tables: a fence made of triggers is out of its reach.
GRANTS = """
grant usage on schema public to notifications_app;
grant select, insert, update, delete on message, preference_owner, preference, inbox to notifications_app;
"""


def upgrade() -> None:
    for script in (TYPES, MESSAGES, PREFERENCES, INBOX, GRANTS):
        op.execute(script)


def downgrade() -> None:
    op.execute("drop table inbox, preference, preference_owner, message")
    op.execute("drop type preference_topic, preference_channel, message_status, message_channel")
