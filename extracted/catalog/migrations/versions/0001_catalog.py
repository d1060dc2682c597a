"""Products with their stock, the ledger of its movements, and reservations."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TYPES = """
create type product_status as enum ('active', 'hidden', 'withdrawn', 'archived');
create type movement_kind as enum ('opening', 'adjustment', 'sale', 'return');
create type reservation_state as enum ('held', 'confirmed', 'released');
"""

# Bounds of price_cents: what numeric(10,2) can hold on the other side.
PRODUCTS = """
create table product (
    id          bigserial primary key,
    seller_id   bigint not null,
    title       text not null,
    description text not null,
    category    text not null,
    price_cents bigint not null check (price_cents between 0 and 9999999999),
    currency    char(3) not null default 'EUR' check (currency = 'EUR'),
    status      product_status not null default 'active',
    version     integer not null default 1,
    request_key uuid unique,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    search      tsvector generated always as (
                    setweight(to_tsvector('english', title), 'A')
                    || setweight(to_tsvector('english', description), 'B')
                ) stored
);
create index product_newest on product (created_at, id) where status = 'active';
create index product_cheapest on product (price_cents, id) where status = 'active';
create index product_title on product (title collate "C", id) where status = 'active';
create index product_category_newest on product (category, created_at, id) where status = 'active';
create index product_category_cheapest on product (category, price_cents, id) where status = 'active';
create index product_seller on product (seller_id, created_at, id);
create index product_search on product using gin (search);

-- Stock changes all the time and is in no index: room on the page makes these updates cheap (HOT).
create table inventory (
    product_id bigint primary key references product,
    available  integer not null default 0 check (available >= 0)
) with (fillfactor = 85);
"""

MOVEMENTS = """
create table movement (
    id          bigserial primary key,
    product_id  bigint not null references product,
    delta       integer not null check (delta <> 0),
    kind        movement_kind not null,
    request_key uuid not null unique,
    created_at  timestamptz not null default now()
);
create index movement_product on movement (product_id, id);
"""

RESERVATIONS = """
create table reservation (
    key        uuid primary key,
    state      reservation_state not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create table reservation_line (
    reservation_key  uuid not null references reservation,
    product_id       bigint not null references product,
    quantity         integer not null check (quantity > 0),
    unit_price_cents bigint not null check (unit_price_cents >= 0),
    title            text not null,
    primary key (reservation_key, product_id)
);
create index reservation_line_product on reservation_line (product_id);
"""

# The application may change rows, not tables: a fence made of triggers is out of its reach.
GRANTS = """
grant usage on schema public to catalog_app;
grant select, insert, update, delete on product, inventory, movement, reservation, reservation_line
    to catalog_app;
grant usage on sequence product_id_seq, movement_id_seq to catalog_app;
"""


def upgrade() -> None:
    for script in (TYPES, PRODUCTS, MOVEMENTS, RESERVATIONS, GRANTS):
        op.execute(script)


def downgrade() -> None:
    op.execute("drop table reservation_line, reservation, movement, inventory, product")
    op.execute("drop type reservation_state, movement_kind, product_status")
