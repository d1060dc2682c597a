"""The start of a stream whose topics Debezium's connector fills: its snapshot comes through the topics too."""

from __future__ import annotations

from contextlib import closing
from importlib.resources import files
from typing import Any

import psycopg

from cdc import install, position, servers
from cdc.capture.source import SourceConnection
from cdc.kafka.errors import DebeziumLoses, TopicUnsuitable
from cdc.kafka.topic_start import require_transport
from cdc.position import Position
from cdc.spec import StreamSpec

_LOSSY = """
    select attname, format_type(atttypid, atttypmod)
    from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
    where attrelid = to_regclass(%s) and attname = any(%s)
      and coalesce(nullif(typbasetype, 0), t.oid) = any('{varbit,timetz,timetz[],time[]}'::regtype[])
    order by attnum
"""
"""Of bits the leading zeros, of times of day their zone, of those in arrays what is below a millisecond."""
BEFORE_ALL = 0
"""A position before everything: the topics are read from their beginning."""


def begin_after_debezium(spec: StreamSpec) -> Position:
    """A position on the target, without rows. The slot and the publication are the connector's (`spec.slot`,
    `spec.publication`). May be repeated; a stream that has begun is left as it is."""
    if not require_transport(spec).debezium:
        raise TopicUnsuitable(spec.name, ["its topics are not said to be Debezium's"])
    with servers.connect(spec.source_dsn, "source", f"fig-install {spec.name}") as monitor:
        _require_whole_values(monitor, spec)
    with closing(SourceConnection(spec.source_dsn, f"fig-install {spec.name}")) as replication:
        identity = replication.identify(spec.slot)
    with (
        servers.connect(spec.source_dsn, "source", f"fig-install {spec.name}") as monitor,
        servers.connect(spec.target_dsn, "target", f"fig-install {spec.name}") as target,
    ):
        target.execute(files("cdc").joinpath("stream.sql").read_bytes())
        if (kept := position.read(target, spec.name)) is not None:
            return kept
        made = Position(spec.name, identity, BEFORE_ALL)
        with target.transaction():
            position.write_first(target, made)
            columns = {table: install.source_columns(monitor, table) for table in spec.source_tables}
            install.remember_columns(target, spec.name, columns)
        return made


def _require_whole_values(monitor: psycopg.Connection[Any], spec: StreamSpec) -> None:
    lost = []
    for table in spec.source_tables:
        used = {name for p in spec.projections if p.source == table for column in p.columns for name in column.sources}
        found = monitor.execute(_LOSSY, [table.quoted, sorted(used)]).fetchall()
        lost += [f"{table}.{name} ({kind})" for name, kind in found]
    if lost:
        raise DebeziumLoses(spec.name, lost)
