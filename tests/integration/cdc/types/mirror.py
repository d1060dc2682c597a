"""Two databases with the same tables and a stream of plain copies between them, on servers of any major."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from cdc import install
from cdc.copying import snapshot
from cdc.projection import Column, Projection, Role, Table, quoted
from cdc.spec import StreamSpec
from tests.integration.cdc.stream.conftest import Pair, as_fig, execute, make_side
from tests.support.postgres import PostgresServer

_COLUMNS = """
    select a.attname from pg_attribute a where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped
    and a.attgenerated = '' order by a.attnum
"""
_KEY = """
    select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
    where i.indrelid = to_regclass(%s) and i.indisprimary order by array_position(i.indkey, a.attnum)
"""


def plain(dsn: str, table: Table) -> Projection:
    """Every column as it is."""
    names = [name for (name,) in execute(dsn, _COLUMNS, table.quoted)]
    key = tuple((name, name) for (name,) in execute(dsn, _KEY, table.quoted))
    columns = tuple(Column(name, (name,), "{" + name + "}") for name in names)
    return Projection(table, table, key, columns, Role.PRIMARY, ())


@dataclass
class Mirror(Pair):
    """A pair whose two sides have the same tables; `monolith` is the source, `service` the target."""

    def source(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return execute(self.forward.source_dsn, query, *arguments)

    def target(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return execute(self.forward.target_dsn, query, *arguments)

    def with_projections(self, projections: tuple[Projection, ...]) -> StreamSpec:
        return replace(self.forward, projections=projections)

    def differences(self) -> list[str]:
        """Every table and column whose texts are not the same on both sides, as many of each as there are."""
        found = []
        for projection in self.forward.projections:
            names = [column.target for column in projection.columns]
            texts = ", ".join(f"{quoted(name)}::text" for name in names)
            query = f"select {texts} from {projection.source.quoted}"
            one, other = (sorted(execute(dsn, query), key=repr) for dsn in
                          (self.forward.source_dsn, self.forward.target_dsn))  # fmt: skip
            if len(one) != len(other):
                found.append(f"{projection.source}: {len(one)} rows, {len(other)} on the target")
            for a, b in zip(one, other, strict=False):
                pairs = zip(names, a, b, strict=True)
                found += [f"{projection.source}.{name}: {x!r} {y!r}" for name, x, y in pairs if x != y]
        return found


@contextlib.contextmanager
def mirror(
    source: tuple[PostgresServer, str],
    target: tuple[PostgresServer, str],
    tables: str,
    target_tables: str | None = None,
    names: tuple[Table, ...] = (),
) -> Iterator[Mirror]:
    """Both sides with their tables; streams every table of schema public unless `names` says which ones."""
    (source_server, source_dsn), (target_server, target_dsn) = source, target
    make_side(source_server, source_dsn, tables)
    make_side(target_server, target_dsn, target_tables or tables)
    found = names or tuple(
        Table(*row)
        for row in execute(
            source_dsn,
            "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = relnamespace"
            " where nspname = 'public' and relkind in ('r', 'p') and not relispartition order by 2",
        )
    )
    number = psycopg.conninfo.conninfo_to_dict(source_dsn)["dbname"]
    spec = StreamSpec(
        name="mirror", domain="mirror", source_dsn=as_fig(source_dsn), target_dsn=as_fig(target_dsn),
        slot=f"fig_mirror_{number}", publication="fig_mirror", origin=f"fig_mirror_{number}",
        projections=tuple(plain(source_dsn, table) for table in found), heartbeat=0.05,
    )  # fmt: skip
    both = Mirror(source_dsn, target_dsn, spec, replace(spec))
    try:
        yield both
    finally:
        install.remove(both.forward)


def copied(both: Mirror) -> Mirror:
    snapshot.copy(both.forward)
    return both
