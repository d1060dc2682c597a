"""What both captures see: tables of every kind, rows that were there before, and transactions of every kind."""

from __future__ import annotations

SCHEMA = """
create extension hstore;
create extension citext;
create type mood as enum ('sad', 'so so', 'happy');
create domain cents as bigint check (value >= 0);
create domain label as varchar(12);
create type pair as (number integer, word text);

create table scalars (
    id integer primary key,
    "a bool" boolean,
    "int2" smallint,
    "int4" integer,
    "int8" bigint,
    "float4" real,
    "float8" double precision,
    "numeric" numeric,
    "numeric_12_3" numeric(12, 3),
    "money" money,
    "text" text,
    "varchar" varchar(20),
    "char" char(5),
    "name" name,
    "bytea" bytea,
    "date" date,
    "time" time,
    "time3" time(3),
    "timetz" timetz,
    "timestamp" timestamp,
    "timestamp3" timestamp(3),
    "timestamp0" timestamp(0),
    "timestamptz" timestamptz,
    "interval" interval,
    "uuid" uuid,
    "json" json,
    "jsonb" jsonb,
    "xml" xml,
    "inet" inet,
    "cidr" cidr,
    "macaddr" macaddr,
    "macaddr8" macaddr8,
    "bit1" bit(1),
    "bit5" bit(5),
    "bit12" bit(12),
    "varbit" varbit(9),
    "point" point,
    "tsvector" tsvector,
    "tsquery" tsquery,
    "oid" oid,
    "pg_lsn" pg_lsn,
    "int4range" int4range,
    "int8range" int8range,
    "numrange" numrange,
    "tsrange" tsrange,
    "tstzrange" tstzrange,
    "daterange" daterange,
    "int4multirange" int4multirange,
    "mood" mood,
    "cents" cents,
    "label" label,
    "pair" pair,
    "hstore" hstore,
    "citext" citext,
    "ltree_less" text not null default 'always'
);

create table arrays (
    id bigint generated always as identity primary key,
    "bool" boolean[],
    "int2" smallint[],
    "int4" integer[],
    "int8" bigint[],
    "float4" real[],
    "float8" double precision[],
    "numeric" numeric[],
    "numeric_12_3" numeric(12, 3)[],
    "text" text[],
    "varchar" varchar(20)[],
    "char" char(5)[],
    "bytea" bytea[],
    "date" date[],
    "time" time[],
    "timetz" timetz[],
    "timestamp" timestamp[],
    "timestamptz" timestamptz[],
    "uuid" uuid[],
    "json" json[],
    "jsonb" jsonb[],
    "inet" inet[],
    "mood" mood[],
    "citext" citext[],
    "int4range" int4range[]
);

create table "Überweisung an" (
    "Straße" text,
    "no." integer,
    "quote ""it"" too" text default 'it''s',
    doubled integer generated always as ("no." * 2) stored,
    primary key ("Straße", "no.")
);

create table documents (id integer primary key, title text, body text);
alter table documents alter column body set storage external;
create table documents_full (id integer primary key, title text, body text);
alter table documents_full alter column body set storage external;
alter table documents_full replica identity full;
create table by_index (code text not null, region integer not null, note text);
create unique index by_index_key on by_index (region, code);
alter table by_index replica identity using index by_index_key;
create table no_key (word text, number integer);
alter table no_key replica identity full;

-- What a deletion tells of columns that it does not have, and that cannot be null.
create table required (
    id integer primary key,
    "bool" boolean not null, "int2" smallint not null, "int4" integer not null, "int8" bigint not null,
    "float4" real not null, "float8" double precision not null, "numeric" numeric not null,
    "numeric_12_3" numeric(12, 3) not null, "money" money not null, "text" text not null, "varchar" varchar(9) not null,
    "char" char(3) not null, "bytea" bytea not null, "date" date not null, "time" time not null,
    "timetz" timetz not null, "timestamp" timestamp not null, "timestamptz" timestamptz not null,
    "interval" interval not null, "uuid" uuid not null, "json" json not null, "jsonb" jsonb not null,
    "xml" xml not null, "bit1" bit(1) not null, "bit5" bit(5) not null, "inet" inet not null,
    "int4range" int4range not null, "point" point not null, "tsvector" tsvector not null, "int4s" integer[] not null,
    "texts" text[] not null, "mood" mood not null, "cents" cents not null, "citext" citext not null,
    "hstore" hstore not null, "pair" pair not null, "given" integer not null default 7
);

create table readings (at date not null, sensor integer not null, value numeric(8, 2), primary key (at, sensor))
    partition by range (at);
create table readings_2026 partition of readings for values from ('2026-01-01') to ('2027-01-01');
create table readings_2027 partition of readings for values from ('2027-01-01') to ('2028-01-01');
"""

TABLES = (
    "scalars", "arrays", "Überweisung an", "documents", "documents_full", "by_index", "no_key", "required",
    "readings",
)  # fmt: skip

_SCALARS = """insert into scalars values (
    {id}, true, -32768, -2147483648, -9223372036854775808, 0.1, 0.30000000000000004, 123456789.123456789000, 12345.678,
    -1234.56, 'text', 'varchar', 'ab', 'name', '\\x00ff10', '2026-02-28', '12:34:56.123456', '12:34:56.123',
    '12:34:56.123456+02', '2026-02-28 12:34:56.123456', '2026-02-28 12:34:56.123', '2026-02-28 12:34:56',
    '2026-02-28 12:34:56.123456+02', '1 year 2 mons 3 days 04:05:06.789', '2f8c1a5e-9f64-4d17-93cf-5b1d7f1f8a11',
    '{{"a": 1.10, "b":  [null, "ü"]}}', '{{"b": [1, 2.50], "a": null}}', '<a b="1">x</a>', '10.1.2.3/8', '10.0.0.0/8',
    '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', b'1', b'10110', b'100000001011', b'101', '(1.5,-2)', 'a fat cat',
    'fat & cat',
    4000000000, '16/B374D848', '[1,5)', '[1,5)', '(1.5,)', '[2026-01-01 00:00,2026-01-02 00:00)',
    '[2026-01-01 00:00+00,2026-01-02 00:00+00)', '[2026-01-01,2026-02-01)', '{{[1,3), [5,7)}}', 'so so', 42, 'label',
    '(7,"a ""b"", c")', '"a"=>"1", "b"=>NULL', 'CiText'
)"""

_ARRAYS = """insert into arrays values (
    default, '{t,f,null}', '{1,-2}', '{1,null,3}', '{9223372036854775807}', '{0.1,-1.5}', '{0.30000000000000004}',
    '{1.50,-2}', '{1.5,null}', '{a,"b, c","d \\"e\\"",null,""}', '{x}', '{ab}', '{"\\\\x00ff"}', '{2026-02-28}',
    '{12:34:56.123456}', '{12:34:56+02}', '{"2026-02-28 12:34:56.123456"}', '{"2026-02-28 12:34:56.123456+02"}',
    '{2f8c1a5e-9f64-4d17-93cf-5b1d7f1f8a11}', array['{"a": 1}']::json[], array['{"a": 1}']::jsonb[], '{10.1.2.3}',
    '{sad,happy}', '{Ci}', '{"[1,5)"}'
)"""

_REQUIRED = """insert into required values (
    {id}, true, 1, 2, 3, 4.5, 5.5, 6.5, 7.5, 8.5, 'text', 'varchar', 'ch', '\\x01', '2026-01-01', '01:00', '02:00+00',
    '2026-01-01 03:00', '2026-01-01 04:00+00', '5 hours', '2f8c1a5e-9f64-4d17-93cf-5b1d7f1f8a11', '{{}}', '[]', '<a/>',
    b'1', b'10101', '::1', '[1,2)', '(1,2)', 'a', '{{1}}', '{{a}}', 'happy', 5, 'C', 'a=>1', '(1,b)'
)"""

BEFORE = (
    _SCALARS.format(id=1),
    "insert into scalars (id) values (2)",
    _ARRAYS,
    """insert into "Überweisung an" values ('Hauptstraße', 1, 'vorher')""",
    "insert into documents values (1, 'old', repeat('x', 9000))",
    "insert into documents_full values (1, 'old', repeat('x', 9000))",
    "insert into by_index values ('a', 1, 'old')",
    "insert into no_key values ('old', 1)",
    "insert into readings values ('2026-05-01', 1, 1.50)",
    _REQUIRED.format(id=1),
)
"""Rows that the snapshot reads."""

TRANSACTIONS: tuple[tuple[str, ...], ...] = (
    (_SCALARS.format(id=10),),
    ("insert into scalars (id) values (11)",),
    (
        "insert into scalars (id, text, varchar, bytea, hstore, varbit) values (12, '', '', '', '', b'')",
        "insert into arrays default values",
        "insert into arrays (int4, text) values ('{}', '{}')",
    ),
    (_ARRAYS,),
    # The ends of each type.
    (
        """insert into scalars (id, "int2", "int4", "int8", "float4", "float8", date, "timestamp", "timestamptz")
           values (20, 32767, 2147483647, 9223372036854775807, '3.4028235e38', '1.7976931348623157e308',
                   '9999-12-31', '9999-12-31 23:59:59.999999', '1970-01-01 00:00:00+00')""",
        """insert into scalars (id, date, "timestamp", "timestamptz", "time", "interval", "numeric")
           values (21, '0044-03-15 BC', '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00+00 BC', '24:00:00',
                   '-1 mons -2 days -00:00:01.5', -0.000000000000000000001)""",
        """insert into scalars (id, date, "timestamp", "timestamptz", "float4", "float8")
           values (22, 'infinity', 'infinity', '-infinity', '-Infinity', 'NaN')""",
        """insert into scalars (id, "int4range", "daterange", "numrange", "int4multirange", point, tsvector)
           values (23, 'empty', '(,)', '[1.0,2.00]', '{}', '(0,1e300)', '')""",
    ),
    ("update scalars set text = 'changed' where id = 10", "update scalars set jsonb = null, text = null where id = 1"),
    ("delete from scalars where id = 11",),
    # A key that changes, alone and in a chain.
    ("update scalars set id = 30 where id = 12",),
    (
        """insert into "Überweisung an" values ('Hauptstraße', 2)""",
        """update "Überweisung an" set "no." = "no." + 10 where "no." = 2""",
        """update "Überweisung an" set "quote ""it"" too" = null where "no." = 12""",
    ),
    # Values out of line that do not change, in each replica identity.
    ("update documents set title = 'new' where id = 1", "update documents_full set title = 'new' where id = 1"),
    ("update documents set body = repeat('y', 9000) where id = 1",),
    ("update documents set id = 2 where id = 1", "update documents_full set id = 2 where id = 1"),
    ("update by_index set note = 'new'", "update by_index set code = 'b'", "delete from by_index"),
    ("insert into no_key values ('new', 2)", "update no_key set number = 3 where word = 'old'", "delete from no_key"),
    # Partitions under the name of the whole, and a row that moves.
    (
        "insert into readings values ('2026-06-01', 2, 2.25), ('2027-06-01', 2, null)",
        "update readings set at = '2027-05-01' where sensor = 1",
        "delete from readings where sensor = 2",
    ),
    (_REQUIRED.format(id=2), "update required set id = 3 where id = 2", "delete from required where id = 1"),
    # What a text can hold, what a number can be, what an array can be.
    (
        """insert into scalars (id, text, "jsonb", "numeric", "numeric_12_3", "float8", "interval")
           values (40, E'quote " backslash \\\\ \\n \\t \\x01 é 漢字 😀 </script>', '"\\u00e9 \\" \\\\"', 'NaN', 'NaN',
                   '-0', '-1 years +3 days -04:05:06')""",
        """insert into scalars (id, "numeric", "float4", "interval", hstore)
           values (41, 1e40, 1e-10, '0', 'a=>NULL, "b \\"q\\""=>"c \\\\ d"')""",
        """insert into scalars (id, "interval") values (42, '-1 days +02:03:04.05'), (43, '1 mon -00:00:00.000001')""",
        """insert into arrays (int4, text) values ('[3:4]={1,2}', array['', 'null', 'a,b', '{}', E'\\\\ \\"'])""",
    ),
    ("truncate documents_full, no_key",),
    ("insert into no_key values ('after', 4)",),
)

ROLLED_BACK = ("insert into no_key values ('never', 0)", "update scalars set text = 'never'")
