"""Carts, purchases, what was paid for them, Stripe's events, and what others are told."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TYPES = """
create type purchase_state as enum ('opened', 'placed', 'undoing', 'cancelled', 'failed');
create type payment_state as enum ('unpaid', 'expiring', 'cancelling', 'void', 'paid', 'partly_refunded', 'refunded');
create type refund_state as enum ('intended', 'made', 'refused', 'failed');
"""

# Users and products are other domains': their ids are kept, nothing is looked up in their tables.
PURCHASES = """
create table cart_item (
    user_id    bigint not null,
    product_id bigint not null,
    quantity   integer not null check (quantity > 0),
    primary key (user_id, product_id)
);

-- request_key: the client's Idempotency-Key and the key of the purchase's reservation. due_at: when background work may
-- take it up; null if nothing is left to do.
create table purchase (
    id          bigserial primary key,
    buyer_id    bigint not null,
    request_key uuid not null unique,
    state       purchase_state not null,
    total_cents bigint not null check (total_cents >= 0),
    failure     jsonb,
    due_at      timestamptz,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now()
);
create index purchase_buyer on purchase (buyer_id, id);
create index purchase_due on purchase (due_at) where due_at is not null;

-- Bounds of unit_price_cents: what numeric(10,2) can hold on the other side.
create table purchase_line (
    purchase_id      bigint not null references purchase,
    product_id       bigint not null,
    seller_id        bigint not null,
    title            text not null,
    quantity         integer not null check (quantity > 0),
    unit_price_cents bigint not null check (unit_price_cents between 0 and 9999999999),
    primary key (purchase_id, product_id)
);
create index purchase_line_seller on purchase_line (seller_id, purchase_id, product_id);
"""

MONEY = """
create table payment (
    purchase_id    bigint primary key references purchase,
    state          payment_state not null,
    amount_cents   bigint not null check (amount_cents > 0),
    refunded_cents bigint not null default 0 check (refunded_cents between 0 and amount_cents),
    currency       char(3) not null default 'EUR' check (currency = 'EUR'),
    attempt        integer not null default 1,
    intent         text unique,
    expires_at     timestamptz not null,
    due_at         timestamptz,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now()
);
create index payment_due on payment (due_at) where due_at is not null;

create table refund (
    id           bigserial primary key,
    purchase_id  bigint not null references payment,
    request_key  uuid unique,
    seller_id    bigint,
    amount_cents bigint not null check (amount_cents > 0),
    state        refund_state not null,
    attempt      integer not null default 1,
    reference    text unique,
    reason       text,
    due_at       timestamptz,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now()
);
create index refund_purchase on refund (purchase_id, id);
create index refund_due on refund (due_at) where due_at is not null;

create table stripe_event (
    id          text primary key,
    purchase_id bigint references payment,
    type        text not null,
    received_at timestamptz not null default now()
);
create index stripe_event_received on stripe_event (received_at);
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
grant usage on schema public to payments_app;
grant select, insert, update, delete on cart_item, purchase, purchase_line, payment, refund, stripe_event, outbox
    to payments_app;
grant usage on sequence purchase_id_seq, refund_id_seq to payments_app;
"""


def upgrade() -> None:
    for script in (TYPES, PURCHASES, MONEY, OUTBOX, GRANTS):
        op.execute(script)


def downgrade() -> None:
    op.execute("drop table outbox, stripe_event, refund, payment, purchase_line, purchase, cart_item")
    op.execute("drop type refund_state, payment_state, purchase_state")
