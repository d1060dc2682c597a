"""One table with a column of every type, and the values that each of them finds hard."""

from __future__ import annotations

SETUP = """
    create type mood as enum ('sad', 'it''s "ok"', 'ä, {glad}');
    create type point3 as (x int, label text, t timestamptz);
    create domain positive as numeric(20, 4) check (value > 0);
    create domain word as text not null default '';
    create type floatrange as range (subtype = float8);
"""

LARGE = "(select string_agg(md5(g::text), '') from generate_series(1, 500) g)"

VALUES: dict[str, tuple[str, ...]] = {
    "smallint": ("-32768", "32767"),
    "integer": ("-2147483648", "2147483647"),
    "bigint": ("-9223372036854775808", "9223372036854775807"),
    "numeric": ("'NaN'", "'Infinity'", "'-Infinity'", "0.00", "1.10", "-0.000000000000000000001", "1e130",
                "123456789012345678901234567890123456789.987654321"),
    "numeric(10,3)": ("1.5", "-9999999.999", "'NaN'"),
    "real": ("'NaN'", "'-Infinity'", "-0.0", "1.17549435e-38", "0.1", "3.4028235e38"),
    "double precision": ("'NaN'", "'Infinity'", "-0.0", "0.1::float8 + 0.2", "5e-324", "1.7976931348623157e308"),
    "money": ("-92233720368547758.08", "12.34"),
    "boolean": ("true", "false"),
    "text": ("''", "' '", "E'tab\\tnew\\nline\\r'", "E'back\\\\slash'", "E'\\\\N'", "'quote''\"'", "'é漢😀'", LARGE),
    "varchar(5)": ("''", "'12345'", "'漢漢漢漢漢'"),
    "char(5)": ("''", "'ab'", "'a b  '"),
    '"char"': ("''", "'a'", "E'\\\\200'"),
    "name": ("'pg_catalog'", "''"),
    "bytea": ("''", "'\\x00ff5c27'", "decode(" + LARGE + ", 'hex')"),
    "date": ("'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'2024-02-29'"),
    "time": ("'00:00'", "'24:00:00'", "'23:59:59.999999'"),
    "time(2)": ("'12:34:56.78'",),
    "timetz": ("'00:00+15:59'", "'12:34:56.789-08'"),
    "timestamp": ("'infinity'", "'-infinity'", "'0044-03-15 12:00 BC'", "'294276-12-31 23:59:59.999999'"),
    "timestamptz": ("'infinity'", "'0044-03-15 12:00+02 BC'", "'2026-03-29 02:30+01'", "'1900-01-01 00:00:00.000001'"),
    "timestamptz(0)": ("'2026-01-01 00:00+00'",),
    "interval": ("'1 year 2 mons -3 days 04:05:06.789'", "'-178000000 years'", "'00:00:00'", "'-1 day +02:03'"),
    "interval day to second": ("'3 days 04:05:06'",),
    "uuid": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",),
    "json": ("'{\"a\":  1, \"a\": 2}'", "'null'", "'\"\"'", "'[1.10, 12345678901234567890]'"),
    "jsonb": ("'{\"b\": 1, \"a\": [12345678901234567890, 1.10, null]}'", "'null'", "'{}'", "'\"\\u00e9\"'"),
    "jsonpath": ("'$.a[*] ? (@ > 1)'",),
    "inet": ("'10.0.0.1'", "'10.0.0.1/8'", "'::1/128'", "'2001:db8::/32'"),
    "cidr": ("'10.0.0.0/8'", "'2001:db8::/32'"),
    "macaddr": ("'08:00:2b:01:02:03'",),
    "macaddr8": ("'08:00:2b:01:02:03:04:05'",),
    "bit": ("B'1'", "B'0'"),
    "bit(5)": ("B'10101'",),
    "bit varying": ("B''", "B'101010111'"),
    "varbit(4)": ("B'1010'",),
    "tsvector": ("'fat:3A cat:2 ''it''''s'':1'", "''"),
    "tsquery": ("'fat & !(rat | ''a b'')'", "''"),
    "point": ("'(1.5,-2)'", "'(NaN,Infinity)'"),
    "line": ("'{1,2,3}'",),
    "lseg": ("'[(0,0),(1,1)]'",),
    "box": ("'(2,2),(1,1)'",),
    "path": ("'[(0,0),(1,1)]'", "'((0,0),(1,1),(2,0))'"),
    "polygon": ("'((0,0),(1,1),(2,0))'",),
    "circle": ("'<(0,0),2.5>'",),
    "pg_lsn": ("'16/B374D848'", "'0/0'"),
    "oid": ("0", "4294967295"),
    "xid8": ("'18446744073709551615'",),
    "txid_snapshot": ("'10:20:10,14,15'",),
    "tid": ("'(4294967295,65535)'",),
    "regtype": ("'integer'",),
    "int4range": ("'[1,5)'", "'empty'", "'(,)'"),
    "numrange": ("'[1.10,2.0]'", "'(NaN,]'"),
    "tstzrange": ("'[2026-01-01 00:00+00,infinity)'", "'empty'"),
    "daterange": ("'[2026-01-01,2026-02-01)'",),
    "floatrange": ("'[0.1,0.30000000000000004)'",),
    "int8multirange": ("'{[1,5),[10,20)}'", "'{}'"),
    "mood": ("'sad'", "'it''s \"ok\"'", "'ä, {glad}'"),
    "point3": ("row(1, 'a \"quoted\", (part)', '2026-01-01+00')", "row(null, '', null)", "row(null, null, null)"),
    "positive": ("0.0001", "'NaN'"),
    "word": ("''", "'x'"),
    "integer[]": ("'{}'", "'{1,NULL,-3}'", "'[0:2]={1,2,3}'", "'{{1,2},{3,NULL}}'"),
    "text[]": ("array['', ' ', 'NULL', null, 'a,b', 'q\"uote', E'back\\\\', '{}', E'new\\nline', '漢']",
               "array[[null, 'x'], ['', 'y']]"),
    "varchar(3)[]": ("'{abc,\"\"}'",),
    "bit(3)[]": ("'{101,010}'",),
    "numeric(5,2)[]": ("'{1.10,NaN}'",),
    "timestamptz[]": ("'{infinity,\"0044-03-15 BC\"}'",),
    "bytea[]": ("array['\\x00'::bytea, '']",),
    "jsonb[]": ("array['{\"a\": [1]}'::jsonb, 'null', null]",),
    "mood[]": ("array['sad', 'it''s \"ok\"', 'ä, {glad}', null]::mood[]",),
    "point3[]": ("array[row(1, 'a,\"b\"', null)::point3, null]",),
    "positive[]": ("'{1.5,2}'",),
    "box[]": ("'{(2,2),(1,1);(4,4),(3,3)}'",),
}  # fmt: skip

HAS_DEFAULT = {"word"}
"""Types that refuse NULL."""

XML: dict[str, tuple[str, ...]] = {"xml": ("'<a b=\"c\">é<!-- x --></a>'", "''", "'text &amp; more'")}
"""Only where the server was built with libxml."""

EXTENSIONS: dict[str, tuple[str, ...]] = {
    "hstore": ("''", '\'a=>1, "b c"=>NULL, d=>"q\\""\''),
    "citext": ("'MiXed'", "''"),
}
"""Only where contrib is installed."""


def table(values: dict[str, tuple[str, ...]]) -> str:
    """All types in one wide table, with a stored generated column and an identity."""
    columns = "".join(f", c{i} {kind}" for i, kind in enumerate(values))
    return (
        f"create table everything (id bigint primary key{columns}, number int generated always as identity,"
        " made text generated always as ('id ' || id) stored)"
    )


def insert(values: dict[str, tuple[str, ...]], first: int) -> str:
    """As many rows as the longest list of values, and one with NULL wherever it may be."""
    longest = max(map(len, values.values()))
    rows = [[options[n % len(options)] for options in values.values()] for n in range(longest)]
    rows.append(["''" if kind in HAS_DEFAULT else "null" for kind in values])
    columns = ", ".join(f"c{i}" for i in range(len(values)))
    typed = (", ".join(f"cast({v} as {kind})" for v, kind in zip(row, values, strict=True)) for row in rows)
    lines = ", ".join(f"({first + n}, {row})" for n, row in enumerate(typed))
    return f"insert into everything (id, {columns}) values {lines}"


def shift(values: dict[str, tuple[str, ...]]) -> str:
    """Every row gets the values of its neighbour, so that each value comes to each place by an update, too."""
    columns = ", ".join(f"c{i} = o.c{i}" for i in range(len(values)))
    return f"update everything e set {columns} from everything o where o.id = e.id + 1"
