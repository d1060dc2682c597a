"""Was the journal changed behind our back? Each entry carries the hash of the one before; here they are computed anew.

An entry that was edited, deleted or put in breaks the chain at its place, and is named. Who owns the database can
forge all of it: note the head's hash elsewhere now and then, and compare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import LiteralString

from migration_plan.journal.journal import Journal

FIRST = hashlib.sha256(b"fig.journal").digest()
"""What the first entry follows."""

# The same text as fig.journal_text, not by calling it: whoever edits entries may edit functions.
_LINKS: LiteralString = """
    select id, previous, hash,
           jsonb_build_array(id, extract(epoch from at)::text, domain, switch, kind, epoch, actor, host(address),
                             reason, detail)::text as text
    from fig.journal order by id"""


@dataclass(frozen=True)
class Link:
    """What an entry says, and how it is chained."""

    id: int
    text: str
    previous: bytes
    hash: bytes


@dataclass(frozen=True)
class Head:
    """Where the chain ends, as the database remembers it."""

    id: int
    hash: bytes


@dataclass(frozen=True)
class Break:
    """One place where the journal is not what was written."""

    id: int
    what: str

    def __str__(self) -> str:
        return f"entry {self.id}: {self.what}"

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "what": self.what}


@dataclass(frozen=True)
class ChainReport:
    """How many entries were looked at, where the chain ends, and where it is broken."""

    entries: int
    head: str
    breaks: tuple[Break, ...]

    def as_json(self) -> dict[str, object]:
        return {"entries": self.entries, "head": self.head, "breaks": [one.as_json() for one in self.breaks]}


def breaks(links: Iterable[Link], head: Head) -> Iterator[Break]:
    """Every break of the chain, in its order. Pure."""
    before, last = FIRST, 0
    for link in links:
        if link.previous != before:
            after = f"entry {last}" if last else "the beginning"
            gap = f": {_missing(last, link.id)} missing" if link.id > last + 1 else ""
            yield Break(link.id, f"does not follow {after}; between them entries were deleted, put in or edited{gap}")
        if hashlib.sha256(link.previous + link.text.encode()).digest() != link.hash:
            yield Break(link.id, "was edited or put in: it does not say what its hash was made of")
        before, last = link.hash, link.id
    if (last, before) != (head.id, head.hash):
        gap = f": {_missing(last, head.id + 1)} missing" if head.id > last else ""
        yield Break(last, f"is the last one, and the head is entry {head.id}; the end was deleted or put in{gap}")


def _missing(before: int, after: int) -> str:
    first, last = before + 1, after - 1
    return f"{first} is" if first == last else f"{first} to {last} are"


def verify_chain(journal: Journal) -> ChainReport:
    """Look at the whole journal, at one moment."""
    with journal.session() as connection, connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute("set local statement_timeout = 0")
        found = connection.execute("select id, hash from fig.journal_head").fetchone()
        rows = connection.execute(_LINKS).fetchall()
    head = Head(found["id"], bytes(found["hash"])) if found else Head(0, b"")
    links = [Link(row["id"], row["text"], bytes(row["previous"]), bytes(row["hash"])) for row in rows]
    return ChainReport(len(links), head.hash.hex(), tuple(breaks(links, head)))
