"""What a record of a transactional topic has beside Debezium's envelope: a header that says where it belongs. Pure.

Each publisher's session has a number of its own, and numbers its records. So a reader notices what a dying publisher
still sent after its successor had begun, what is there twice, and what is missing. The header's first byte says what
the record is:

    O  opening: a session begins, from this LSN of this server's slot     P  nothing for us before this LSN
    B  a transaction begins      D  one change or message of it           E  it is complete
    R  a table's columns, before its first change in a session
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from cdc.debezium.envelope_types import ValueType
from cdc.messages import Relation, SourceColumn
from cdc.position import Identity

HEADER = "fig"
OPENING, PROGRESS, BEGIN, DATA, END, RELATION = "OPBDER"

_stem = Struct("!cQQ")
_begin = Struct("!QqI")
_end = Struct("!QQq")
_lsn = Struct("!Q")
_column = Struct("!H")
_order = Struct("!QQ")


class Stem(NamedTuple):
    kind: str
    session: int
    number: int


def header(kind: str, session: int, number: int, rest: bytes = b"") -> bytes:
    return _stem.pack(kind.encode(), session, number) + rest


def data_header(session: int, number: int) -> bytes:
    """`header` of a change that has no more to say."""
    return _stem.pack(b"D", session, number)


def begin_rest(final_lsn: int, time: int, xid: int) -> bytes:
    return _begin.pack(final_lsn, time, xid)


def end_rest(lsn: int, end_lsn: int, time: int) -> bytes:
    return _end.pack(lsn, end_lsn, time)


def lsn_rest(lsn: int) -> bytes:
    return _lsn.pack(lsn)


def order_rest(commit_lsn: int, ordinal: int) -> bytes:
    """Of a change in a table's topic: which one of which transaction it is."""
    return _order.pack(commit_lsn, ordinal)


def unsent_rest(columns: list[int]) -> bytes:
    """Which columns of the new row were not sent."""
    return b"".join(_column.pack(column) for column in columns)


def stem(data: bytes) -> Stem:
    """ValueError if it is none."""
    try:
        kind, session, number = _stem.unpack_from(data)
    except StructError as error:
        raise ValueError("it is too short") from error
    return Stem(kind.decode("latin-1"), session, number)


def read_begin(data: bytes) -> tuple[int, int, int]:
    """(LSN of the commit, its time, xid)"""
    return _exactly(_begin, data)  # type: ignore[return-value]


def read_end(data: bytes) -> tuple[int, int, int]:
    """(LSN of the commit, of its end, its time)"""
    return _exactly(_end, data)  # type: ignore[return-value]


def read_lsn(data: bytes) -> int:
    return int(_exactly(_lsn, data)[0])


def read_order(data: bytes) -> tuple[int, int]:
    return _exactly(_order, data)  # type: ignore[return-value]


def read_unsent(data: bytes) -> tuple[int, ...]:
    if len(data) == _stem.size:
        return ()
    try:
        return tuple(column for (column,) in _column.iter_unpack(data[_stem.size :]))
    except StructError as error:
        raise ValueError("it ends inside a column") from error


def _exactly(form: Struct, data: bytes) -> tuple[int, ...]:
    try:
        return form.unpack(data[_stem.size :])
    except StructError as error:
        raise ValueError("it has another length") from error


@dataclass(frozen=True)
class Opening:
    """Who begins to publish, and from where."""

    identity: Identity
    lsn: int
    """Everything that committed after it follows; nothing is said of what was before."""

    def dump(self) -> bytes:
        one = self.identity
        return json.dumps([one.system_id, one.timeline, one.slot, self.lsn]).encode()

    @classmethod
    def load(cls, content: bytes) -> Opening:
        system_id, timeline, slot, lsn = json.loads(content)
        return cls(Identity(str(system_id), int(timeline), str(slot)), int(lsn))


def dump_relation(relation: Relation, types: tuple[ValueType, ...]) -> bytes:
    """A table's columns, as pgoutput announces them and as envelopes have them."""
    columns = [[*column, value.dump()] for column, value in zip(relation.columns, types, strict=True)]
    return json.dumps([relation.oid, relation.schema, relation.name, relation.identity, columns]).encode()


def load_relation(content: bytes) -> tuple[Relation, tuple[ValueType, ...]]:
    oid, schema, name, identity, columns = json.loads(content)
    found = tuple(
        SourceColumn(str(column), int(type_oid), int(modifier), bool(is_identity))
        for column, type_oid, modifier, is_identity, _ in columns
    )
    types = tuple(ValueType.load(column[4]) for column in columns)
    return Relation(int(oid), str(schema), str(name), str(identity), found), types
