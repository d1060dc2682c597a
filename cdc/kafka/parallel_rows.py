"""Changes of rows, in the order of their keys only, to statements for the target. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from cdc.debezium.envelope_reader import Change, EnvelopeReader, SnapshotRow
from cdc.debezium.envelope_types import ValueType
from cdc.kafka.errors import ParallelUnsafe
from cdc.messages import Delete, Insert, Relation, SourceColumn, Update
from cdc.projection import Table
from cdc.spec import StreamSpec
from cdc.target.binding import Binding, ColumnTypes, Gone, SetUpColumns
from cdc.target.runs import Batch, Runs
from cdc.target.runs import Change as RowChange


def relations(set_up: Mapping[Table, SetUpColumns]) -> dict[Table, Relation]:
    """The source's tables as they were when the stream was set up: a topic of Debezium's announces none."""
    return {
        table: Relation(
            number, table.schema, table.name, "d",
            tuple(SourceColumn(name, oid, modifier, True) for name, oid, modifier in columns),
        )
        for number, (table, columns) in enumerate(sorted(set_up.items()), 1)
    }  # fmt: skip


class ParallelRows:
    """One applier's: bindings of all tables, runs of what it has now."""

    def __init__(
        self,
        spec: StreamSpec,
        targets: Mapping[Table, ColumnTypes],
        fixed: Mapping[Table, Collection[str]],
        known: Mapping[Table, Relation],
        longest: int,
    ) -> None:
        self._stream = spec.name
        self._runs = Runs(longest)
        self._bindings = {
            relation.oid: [
                Binding(relation, p, targets[p.target], fixed.get(p.target, ()))
                for p in spec.projections
                if p.source == table
            ]
            for table, relation in known.items()
        }

    def take(self, change: Change) -> Iterable[Batch]:
        """What has to go to the target before this change waits for more of its kind."""
        gone: Gone = set()
        made: list[RowChange] = []
        if isinstance(change, Insert):
            made = [one for bound in self._bindings[change.relation] for one in bound.insert(change, gone)]
        elif isinstance(change, SnapshotRow):
            made = [one for bound in self._bindings[change.relation] for one in bound.put(change.new)]
        elif isinstance(change, Update):
            made = [one for bound in self._bindings[change.relation] for one in bound.update(change, gone)]
        elif isinstance(change, Delete):
            made = [one for bound in self._bindings[change.relation] for one in bound.delete(change, gone)]
        else:
            raise ParallelUnsafe(self._stream, ["a table was truncated, which has no order between partitions"])
        return [batch for one in made for batch in self._runs.add(one)]

    def close(self) -> Iterable[Batch]:
        return self._runs.close()


def reader(
    known: Mapping[Table, Relation],
    types: Mapping[Table, Sequence[ValueType]],
    generated: Mapping[Table, Sequence[str]],
) -> EnvelopeReader:
    """Reads envelopes of these tables."""
    made = EnvelopeReader()
    for table, relation in known.items():
        made.announce(relation, types[table], generated.get(table, ()))
    return made
