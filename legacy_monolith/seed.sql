-- A shop of any size, drawn row by row from numbers and the seed alone: the same arguments give the same rows.
-- Run by seed.py in one transaction, with its arguments put in.

create function pg_temp.draw(subject bigint, question int, below bigint) returns int language sql immutable as $$
    select ((hashint8extended(subject * 64 + question, %(seed)s) & 9223372036854775807) %% below)::int
$$;

create function pg_temp.choose(subject bigint, question int, choices text[]) returns text language sql immutable as $$
    select choices[1 + pg_temp.draw(subject, question, array_length(choices, 1))]
$$;

insert into users (id, email, password_hash, name, role, created_at)
select n, format('%%s%%s@example.test', role, rank), %(password_hash)s, format('%%s %%s', initcap(role), rank), role,
       '2026-01-01T00:00:00Z'
from generate_series(1, %(users)s::bigint) n,
     lateral (select case when n <= %(sellers)s then 'seller' else 'buyer' end,
                     case when n <= %(sellers)s then n else n - %(sellers)s end) r (role, rank);

-- One to three lines each, of different products; what is sold is added to what the products began with.
create temp table line on commit drop as
select distinct on (n, product_id) n as order_id, product_id, 1 + pg_temp.draw(n, 10 + i, 2) as quantity
from generate_series(1, %(orders)s::bigint) n,
     generate_series(1, 1 + pg_temp.draw(n, 1, 3)) i,
     lateral (select 1 + pg_temp.draw(n, 20 + i, %(products)s)::bigint as product_id) p
order by n, product_id, i;

insert into products (id, seller_id, title, description, category, price, stock, is_hidden, is_withdrawn,
                      created_at, updated_at)
select n, 1 + pg_temp.draw(n, 1, %(sellers)s), title,
       format('%%s from a %%s. Number %%s of its kind.', title, pg_temp.choose(n, 4,
           '{attic,workshop,garden,cellar,market,harbour,farm,library,studio,shed}'), n),
       pg_temp.choose(n, 5, '{home,garden,music,books,clothing,outdoor,kitchen,toys,art,electronics}'),
       (100 + pg_temp.draw(n, 6, 49900)) / 100.0, pg_temp.draw(n, 7, 200),
       pg_temp.draw(n, 8, 100) < 3, pg_temp.draw(n, 9, 100) < 2, created_at, created_at
from generate_series(1, %(products)s::bigint) n,
     lateral (select initcap(pg_temp.choose(n, 2,
                  '{red,blue,green,old,new,small,large,round,wooden,woollen,silver,golden,plain,fine,quiet,bright}')) ||
              ' ' || pg_temp.choose(n, 3,
                  '{chair,table,lamp,bicycle,jacket,book,kettle,guitar,clock,tent,camera,vase,mirror,drum,carpet}'),
              timestamptz '2026-01-01T00:00:00Z' + n * interval '1 second') t (title, created_at);

insert into stock_movements (product_id, delta, reason, request_key, created_at)
select p.id, p.stock + coalesce(sold.quantity, 0), 'opening', md5(format('opening %%s %%s', p.id, %(seed)s))::uuid,
       p.created_at
from products p left join (select product_id, sum(quantity) from line group by 1) sold (product_id, quantity)
    on sold.product_id = p.id
where p.stock + coalesce(sold.quantity, 0) > 0 order by p.id;

insert into orders (id, user_id, key, state, total, created_at, updated_at)
select n, 1 + pg_temp.draw(n, 30, %(users)s), md5(format('order %%s %%s', n, %(seed)s))::uuid, 'placed',
       sum(line.quantity * p.price), placed_at, placed_at
from generate_series(1, %(orders)s::bigint) n join line on line.order_id = n join products p on p.id = line.product_id,
     lateral (select timestamptz '2026-03-01T00:00:00Z' + n * interval '1 second') at (placed_at)
group by n, placed_at;

insert into order_lines (order_id, product_id, seller_id, title, quantity, unit_price)
select line.order_id, p.id, p.seller_id, p.title, line.quantity, p.price from line join products p on p.id = line.product_id;

insert into stock_reservations (key, state, created_at, updated_at)
select key, 'confirmed', created_at, created_at from orders;

insert into stock_reservation_lines (reservation_key, product_id, quantity, unit_price, title)
select o.key, l.product_id, l.quantity, l.unit_price, l.title from order_lines l join orders o on o.id = l.order_id;
