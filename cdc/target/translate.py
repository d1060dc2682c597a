"""Messages of pgoutput, in order, to statements for the target. Knows transactions and relations; no IO."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from cdc import signature
from cdc.message_errors import MalformedMessage, RowsRewritten, SchemaChanged, UnmappedTable, Untranslatable
from cdc.messages import Begin, Delete, Insert, LogicalMessage, Message, Origin, Relation, Truncate, Update, Value
from cdc.projection import Role, Table
from cdc.spec import StreamSpec
from cdc.stream_errors import RefusedChange
from cdc.target import added, skip, slices
from cdc.target.binding import ColumnTypes, Gone, SetUpColumns
from cdc.target.runs import Change, Runs
from cdc.target.skip import Omission, Skips
from cdc.target.slices import Bound
from cdc.target.statements import delete_all, reset_all
from cdc.target.transaction import Statement, Transaction, WholeTable

OUR_MESSAGES = "fig"


_CHANGES = (Insert, Update, Delete, Truncate)


class Translator:
    """Between two transactions `transaction` is None."""

    def __init__(
        self,
        spec: StreamSpec,
        targets: Mapping[Table, ColumnTypes],
        set_up: Mapping[Table, SetUpColumns],
        longest_run: int,
        fixed: Mapping[Table, Collection[str]] | None = None,
        skips: Skips | None = None,
        parked: Collection[Table] = (),
    ) -> None:
        """`fixed`: columns that no UPDATE may set; `skips`: changes that are left out; `parked`: see `parking`."""
        self._spec = spec
        self._targets = targets
        self._set_up = set_up
        self._fixed = fixed or {}
        self._skips = skips or {}
        self._parked = parked
        self._skipped: frozenset[int] = frozenset()
        self._relations: dict[int, Relation] = {}
        self._bindings: dict[int, tuple[Bound, ...]] = {}
        self._runs = Runs(longest_run)
        self._gone: Gone = set()
        self.transaction: Transaction | None = None

    def begin(self, message: Begin) -> Transaction:
        """The next messages are of this transaction."""
        self._gone.clear()
        self.transaction = Transaction(message.xid, message.final_lsn, message.time)
        self._skipped = self._skips.get(message.final_lsn, frozenset())
        return self.transaction

    def end(self) -> Transaction:
        """The transaction is complete; its last changes may still wait in runs."""
        ended, self.transaction = self.transaction, None
        if ended is None:
            raise MalformedMessage("a commit outside of a transaction", b"C")
        return ended

    def take(self, message: Message) -> Iterable[Statement]:
        """One message inside or between transactions; gives back what has to go to the target now."""
        if isinstance(message, _CHANGES):
            transaction = self.transaction
            if transaction is None:
                raise MalformedMessage("a change outside of a transaction", b"")
            if transaction.is_ours:
                return ()
            transaction.changes += 1
            if self._skipped and not self._skipped.isdisjoint((skip.WHOLE_TRANSACTION, transaction.changes)):
                return [self._omission(message, transaction)]
            try:
                return self._change(message)
            except Untranslatable as error:
                error.change = self._refused(message, transaction)
                raise
        if isinstance(message, Relation):
            if self._relations.get(message.oid) != message:
                self._relations[message.oid] = message
                self._bindings.pop(message.oid, None)
        elif isinstance(message, LogicalMessage):
            self._note(message)
        elif isinstance(message, Origin) and self.transaction is not None:
            self.transaction.is_ours = message.name.startswith(signature.OURS)
        return ()  # Names of types, too: values travel as text.

    @property
    def ordinal(self) -> int:
        """Of the newest change, if nothing waits for more of its kind; else it is one of several."""
        return self.transaction.changes if self.transaction and self._runs.longest == 1 else 0

    @property
    def has_changes(self) -> bool:
        """Whether changes wait for more of their kind."""
        return bool(self._runs)

    def close(self) -> Iterable[Statement]:
        """The changes that still wait, before the target commits."""
        return self._runs.close()

    def _refused(self, message: Insert | Update | Delete | Truncate, transaction: Transaction) -> RefusedChange:
        relations = message.relations if isinstance(message, Truncate) else (message.relation,)
        table = ", ".join(str(self._source(oid)) for oid in relations if oid in self._relations)
        return RefusedChange(transaction.final_lsn, transaction.changes, table)

    def _omission(self, message: Insert | Update | Delete | Truncate, transaction: Transaction) -> Omission:
        """The record of a change that an operator wants left out."""
        names: list[str] = []
        values: list[Value] = []
        if isinstance(message, Truncate):
            table = ", ".join(str(self._source(oid)) for oid in message.relations)
        else:
            relation = self._relations[message.relation]
            table = str(self._source(message.relation))
            row = message.new if isinstance(message, Insert | Update) else message.old
            keys = {name for p in self._spec.projections if str(p.source) == table for name, _target in p.key}
            found = [(c.name, value) for c, value in zip(relation.columns, row, strict=True) if c.name in keys]
            names, values = [name for name, _ in found], [value for _, value in found]
        return skip.omission(self._spec.name, transaction.final_lsn, transaction.changes, table, names, values)

    def _change(self, message: Insert | Update | Delete | Truncate) -> Iterable[Statement]:
        if isinstance(message, Truncate):
            return [*self._runs.close(), *self._truncate(message)]
        ready: list[Statement] = []
        gone, add = self._gone, self._runs.add
        for bound in self._bindings.get(message.relation) or self._bound(message.relation):
            changes: Iterable[Change]
            if isinstance(message, Insert):
                changes = bound.insert(message, gone)
            elif isinstance(message, Update):
                changes = bound.update(message, gone)
            else:
                changes = bound.delete(message, gone)
            for change in changes:
                if ended := add(change):
                    ready.extend(ended)
        return ready

    def _truncate(self, message: Truncate) -> Iterator[Statement]:
        """First the resets of parts, then the deletions of primaries, which may take the same rows."""
        sources = {self._source(oid) for oid in message.relations if self._bound(oid)}
        concerned = [p for p in self._spec.projections if p.source in sources]
        for projection in concerned:
            if projection.role is Role.PART and projection.reset:
                sql = reset_all(projection.target, dict(projection.reset))
                yield WholeTable(projection.target, sql)
        for target in dict.fromkeys(p.target for p in concerned if p.role is Role.PRIMARY):
            yield WholeTable(target, delete_all(target))

    def _source(self, oid: int) -> Table:
        relation = self._relations[oid]
        return Table(relation.schema, relation.name)

    def _bound(self, oid: int) -> tuple[Bound, ...]:
        bound = self._bindings.get(oid)
        if bound is None:
            bound = self._bindings[oid] = self._bind(oid)
        return bound

    def _bind(self, oid: int) -> tuple[Bound, ...]:
        relation = self._relations.get(oid)
        if relation is None:
            raise MalformedMessage(f"relation {oid} was never announced", b"")
        source = Table(relation.schema, relation.name)
        expected = self._set_up.get(source)
        if expected is None:
            raise UnmappedTable(str(source), self._spec.publication)
        projections, changed = added.fitting(relation, expected, self._spec.projections, self._targets)
        if changed:
            raise SchemaChanged(str(source), changed)
        return slices.bind(relation, projections, self._targets, self._fixed, self._parked)

    def _note(self, message: LogicalMessage) -> None:
        """Keep what a message of ours says; others' messages are none of our business."""
        if self.transaction is None:
            return
        self.transaction.is_ours |= signature.is_ours(message.prefix, message.content)
        if self.transaction.is_ours or message.prefix != OUR_MESSAGES:
            return
        said = _json_object(message.content)
        if said.get("domain") != self._spec.domain:
            return
        match said.get("kind"):
            case "heartbeat":
                self.transaction.heartbeat = True
            case "probe":
                self.transaction.probe = str(said.get("id"))
            case "fence" | "grant" as kind:
                self.transaction.marker = json.dumps(said)
                self.transaction.is_grant |= kind == "grant"
            case "rewritten":
                raise RowsRewritten(str(said.get("what")))


def _json_object(content: bytes) -> dict[str, Any]:
    """Anybody may emit messages under our prefix; what is no JSON object is nobody's message."""
    try:
        said = json.loads(content)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
