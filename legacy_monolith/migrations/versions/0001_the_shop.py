"""The shop: users, catalog and the beginning of payments."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
create table users (
    id            bigserial primary key,
    email         text not null,
    password_hash text not null,
    name          text not null,
    role          text not null constraint users_role_check check (role in ('buyer', 'seller')),
    session_epoch integer not null default 1,
    created_at    timestamptz not null default now()
);
create unique index users_email_key on users (lower(email));

create table products (
    id           bigserial primary key,
    seller_id    bigint not null references users (id),
    title        text not null,
    description  text not null,
    category     text not null,
    price        numeric(10, 2) not null check (price >= 0),
    stock        integer not null check (stock >= 0),
    is_hidden    boolean not null default false,
    is_withdrawn boolean not null default false,
    version      integer not null default 1,
    request_key  uuid unique,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    search       tsvector not null generated always as (
        setweight(to_tsvector('english', title), 'A')
        || setweight(to_tsvector('english', description), 'B')) stored
) with (fillfactor = 85);
create index products_newest_idx on products (created_at, id) where not is_hidden and not is_withdrawn;
create index products_cheapest_idx on products (price, id) where not is_hidden and not is_withdrawn;
create index products_title_idx on products (title collate "C", id) where not is_hidden and not is_withdrawn;
create index products_category_newest_idx on products (category, created_at, id)
    where not is_hidden and not is_withdrawn;
create index products_category_cheapest_idx on products (category, price, id)
    where not is_hidden and not is_withdrawn;
create index products_seller_idx on products (seller_id, created_at, id);
create index products_search_idx on products using gin (search);

create table stock_movements (
    id          bigserial primary key,
    product_id  bigint not null references products (id),
    delta       integer not null check (delta <> 0),
    reason      text not null check (reason in ('opening', 'adjustment', 'sale', 'return')),
    request_key uuid not null unique,
    created_at  timestamptz not null default now()
);
create index stock_movements_product_id_id_idx on stock_movements (product_id, id);

create table stock_reservations (
    key        uuid primary key,
    state      text not null check (state in ('held', 'confirmed', 'released')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table stock_reservation_lines (
    reservation_key uuid not null references stock_reservations (key),
    product_id      bigint not null references products (id),
    quantity        integer not null check (quantity > 0),
    unit_price      numeric(10, 2) not null,
    title           text not null,
    primary key (reservation_key, product_id)
);
create index stock_reservation_lines_product_id_idx on stock_reservation_lines (product_id);

create table cart_items (
    user_id    bigint not null references users (id),
    product_id bigint not null references products (id),
    quantity   integer not null check (quantity > 0),
    primary key (user_id, product_id)
);
create index cart_items_product_id_idx on cart_items (product_id);

create table orders (
    id         bigserial primary key,
    user_id    bigint not null references users (id),
    key        uuid not null unique,
    state      text not null check (state in ('pending', 'placed', 'cancelling', 'cancelled', 'failed')),
    total      numeric(16, 2) not null,
    failure    jsonb,
    retry_at   timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index orders_user_id_id_idx on orders (user_id, id);
create index orders_unfinished_idx on orders (retry_at) where retry_at is not null;

create table order_lines (
    order_id   bigint not null references orders (id),
    product_id bigint not null references products (id),
    title      text not null,
    quantity   integer not null check (quantity > 0),
    unit_price numeric(10, 2) not null,
    primary key (order_id, product_id)
);
create index order_lines_product_id_idx on order_lines (product_id);
"""

# The application's role reads and writes rows; it owns nothing, so it can neither alter nor truncate.
GRANTS = """
do $$ begin
    if exists (select from pg_roles where rolname = 'shop_app') then
        grant usage on schema public to shop_app;
        grant select, insert, update, delete on users, products, stock_movements, stock_reservations,
            stock_reservation_lines, cart_items, orders, order_lines to shop_app;
        grant usage on sequence users_id_seq, products_id_seq, stock_movements_id_seq, orders_id_seq
            to shop_app;
    end if;
end $$;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(
        "drop table order_lines, orders, cart_items, stock_reservation_lines, stock_reservations, "
        "stock_movements, products, users"
    )
