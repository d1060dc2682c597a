"""Payments of orders, refunds, the events of Stripe's that took effect, and who sold each line."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

# An order without a row here is one that nobody asks money for, as all were before.
TABLES = """
create table payments (
    order_id   bigint primary key references orders (id),
    state      text not null check (state in ('unpaid', 'expiring', 'cancelling', 'cancelled', 'paid',
                                              'partly_refunded', 'refunded')),
    amount     bigint not null check (amount > 0),
    refunded   bigint not null default 0 check (refunded between 0 and amount),
    attempt    integer not null default 1,
    intent     text unique,
    expires_at timestamptz not null,
    retry_at   timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index payments_unfinished_idx on payments (retry_at) where retry_at is not null;

create table refunds (
    id         bigserial primary key,
    order_id   bigint not null references payments (order_id),
    key        uuid unique,
    seller_id  bigint,
    amount     bigint not null check (amount > 0),
    state      text not null check (state in ('intended', 'made', 'refused', 'failed')),
    attempt    integer not null default 1,
    reference  text unique,
    reason     text,
    retry_at   timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index refunds_order_id_id_idx on refunds (order_id, id);
create index refunds_seller_id_idx on refunds (seller_id);
create index refunds_unfinished_idx on refunds (retry_at) where retry_at is not null;

create table stripe_events (
    id         text primary key,
    order_id   bigint references payments (order_id),
    type       text not null,
    created_at timestamptz not null default now()
);
create index stripe_events_order_id_idx on stripe_events (order_id);
create index stripe_events_created_at_idx on stripe_events (created_at);

alter table order_lines add column seller_id bigint;
update order_lines l set seller_id = p.seller_id from products p where p.id = l.product_id;
alter table order_lines alter column seller_id set not null;
create index order_lines_seller_id_idx on order_lines (seller_id, order_id, product_id);
"""

GRANTS = """
do $$ begin
    if exists (select from pg_roles where rolname = 'shop_app') then
        grant select, insert, update, delete on payments, refunds, stripe_events to shop_app;
        grant usage on sequence refunds_id_seq to shop_app;
    end if;
end $$;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("alter table order_lines drop column seller_id")
    op.execute("drop table stripe_events, refunds, payments")
