"""Builds pgoutput messages the way a server does, for tests of what reads them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from cdc.messages import UNCHANGED, Row


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def row(values: Row) -> bytes:
    parts = [struct.pack("!H", len(values))]
    for value in values:
        if value is None:
            parts.append(b"n")
        elif value is UNCHANGED:
            parts.append(b"u")
        else:
            parts.append(b"t" + struct.pack("!I", len(value)) + value)
    return b"".join(parts)


def begin(lsn: int = 100, time: int = 0, xid: int = 7) -> bytes:
    return b"B" + struct.pack("!QqI", lsn, time, xid)


def commit(lsn: int = 100, end: int = 120, time: int = 0) -> bytes:
    return b"C" + struct.pack("!BQQq", 0, lsn, end, time)


def origin(name: str) -> bytes:
    return b"O" + struct.pack("!Q", 1) + text(name)


def relation(oid: int, schema: str, name: str, columns: Sequence[tuple[str, int, bool]], identity: str = "d") -> bytes:
    body = b"R" + struct.pack("!I", oid) + text(schema) + text(name) + identity.encode()
    body += struct.pack("!H", len(columns))
    for column, type_oid, is_identity in columns:
        body += bytes([is_identity]) + text(column) + struct.pack("!Ii", type_oid, -1)
    return body


def insert(oid: int, new: Row) -> bytes:
    return b"I" + struct.pack("!I", oid) + b"N" + row(new)


def update(oid: int, new: Row, old: Row | None = None, kind: bytes = b"K") -> bytes:
    return b"U" + struct.pack("!I", oid) + (b"" if old is None else kind + row(old)) + b"N" + row(new)


def delete(oid: int, old: Row, kind: bytes = b"K") -> bytes:
    return b"D" + struct.pack("!I", oid) + kind + row(old)


def truncate(oids: Sequence[int], flags: int = 0) -> bytes:
    return b"T" + struct.pack("!IB", len(oids), flags) + b"".join(struct.pack("!I", oid) for oid in oids)


def message(content: bytes, prefix: str = "fig", flags: int = 1) -> bytes:
    return b"M" + struct.pack("!BQ", flags, 5) + text(prefix) + struct.pack("!I", len(content)) + content


EVERY_KIND = (
    begin(), commit(), origin("fig_x"), relation(9, "public", "book", [("id", 20, True), ("title", 25, False)]),
    b"Y" + struct.pack("!I", 3) + text("public") + text("kind"), insert(9, [b"1", None, b""]),
    update(9, [b"1", UNCHANGED]), update(9, [b"2", b"x"], [b"1", None]), update(9, [b"2"], [b"1"], b"O"),
    delete(9, [b"1", None]), truncate([9, 10], 3), message(b"{}"),
)  # fmt: skip
