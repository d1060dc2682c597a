"""The start of a stream whose topics Debezium's connector fills: its snapshot comes through the topics too."""

from __future__ import annotations

from contextlib import closing
from importlib.resources import files

from cdc import install, position, source
from cdc.kafka_errors import TopicUnsuitable
from cdc.position import Position
from cdc.source import SourceConnection
from cdc.spec import StreamSpec
from cdc.topic_publisher import require_transport

BEFORE_ALL = 0
"""A position before everything: the topics are read from their beginning."""


def begin_after_debezium(spec: StreamSpec) -> Position:
    """A position on the target, without rows. The slot and the publication are the connector's (`spec.slot`,
    `spec.publication`). May be repeated; a stream that has begun is left as it is."""
    if not require_transport(spec).debezium:
        raise TopicUnsuitable(spec.name, ["its topics are not said to be Debezium's"])
    with closing(SourceConnection(spec.source_dsn, f"fig-install {spec.name}")) as replication:
        identity = replication.identify(spec.slot)
    with (
        source.connect(spec.source_dsn, "source", f"fig-install {spec.name}") as monitor,
        source.connect(spec.target_dsn, "target", f"fig-install {spec.name}") as target,
    ):
        target.execute(files(__package__).joinpath("stream.sql").read_bytes())
        found = target.execute("select 1 from pg_replication_origin where roname = %s", [spec.origin]).fetchone()
        if found is None:
            target.execute("select pg_replication_origin_create(%s)", [spec.origin])
        if (kept := position.read(target, spec.name)) is not None:
            return kept
        made = Position(spec.name, identity, BEFORE_ALL)
        with target.transaction():
            position.write_first(target, made)
            columns = {table: install.source_columns(monitor, table) for table in spec.source_tables}
            install.remember_columns(target, spec.name, columns)
        return made
