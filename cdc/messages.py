"""What pgoutput says, as values: the messages of its protocol version 1, and rows of texts."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class Unchanged(Enum):
    """A large value that did not change and was not sent; not NULL."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED
Value = bytes | None | Unchanged
Row = list[Value]


class Begin(NamedTuple):
    final_lsn: int
    """Of the commit record."""
    time: int
    """Of the commit: microseconds since 2000-01-01 UTC."""
    xid: int


class Commit(NamedTuple):
    lsn: int
    end_lsn: int
    time: int


class Origin(NamedTuple):
    lsn: int
    name: str


class SourceColumn(NamedTuple):
    name: str
    type_oid: int
    modifier: int
    is_identity: bool
    """Part of the replica identity. Under REPLICA IDENTITY FULL that is every column: no primary key."""


class Relation(NamedTuple):
    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[SourceColumn, ...]


class TypeName(NamedTuple):
    oid: int
    schema: str
    name: str


class Insert(NamedTuple):
    relation: int
    new: Row


class OldRow(Enum):
    ABSENT = "absent"
    KEY = "key"
    FULL = "full"


class Update(NamedTuple):
    relation: int
    old_is: OldRow
    old: Row
    new: Row


class Delete(NamedTuple):
    relation: int
    old_is: OldRow
    old: Row


class Truncate(NamedTuple):
    relations: tuple[int, ...]
    cascade: bool
    restart_identity: bool


class LogicalMessage(NamedTuple):
    transactional: bool
    lsn: int
    prefix: str
    content: bytes


Message = Begin | Commit | Origin | Relation | TypeName | Insert | Update | Delete | Truncate | LogicalMessage
