"""Messages of pgoutput to the records of a transactional topic. Pure, but for asking what a table is like."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from cdc import signature
from cdc.debezium.envelope import Envelopes, Header, Record
from cdc.debezium.envelope_rows import TableFacts
from cdc.kafka import topic_format
from cdc.kafka.topic_format import Opening
from cdc.messages import (
    UNCHANGED,
    Begin,
    Commit,
    Delete,
    Insert,
    LogicalMessage,
    Message,
    OldRow,
    Origin,
    Relation,
    Truncate,
    Update,
)
from cdc.position import Identity
from cdc.target.translate import OUR_MESSAGES


class Outgoing(NamedTuple):
    """One record on its way, and how far the topic is once it is there."""

    key: bytes | None
    value: bytes | None
    header: bytes
    reaches: int = 0
    """LSN that may be confirmed when this record and all before it are acknowledged; 0: none."""
    topic: str = ""
    """Empty for the one topic of a transactional stream."""
    partition: int = 0
    headers: tuple[Header, ...] = ()
    """Besides ours."""


class TopicWriter:
    """One session of a publisher. Transactions of appliers, and those without anything of ours, are left out."""

    def __init__(
        self, session: int, domain: str, envelopes: Envelopes, describe: Callable[[Relation], TableFacts]
    ) -> None:
        self._session = session
        self._domain = domain
        self._envelopes = envelopes
        self._describe = describe
        self._number = 0
        self._begin: Begin | None = None
        """Of a transaction that has had nothing for us yet."""
        self._is_open = self._is_ours = self._has_begun = False
        self._relations: dict[int, Relation] = {}
        self.reached = 0
        """Everything before it is written, or is nothing for us."""

    @property
    def is_open(self) -> bool:
        """Whether a transaction is being received."""
        return self._is_open

    def open(self, identity: Identity, lsn: int) -> Iterable[Outgoing]:
        """The first record."""
        self.reached = lsn
        return (self._ours(topic_format.OPENING, "fig.opening", Opening(identity, lsn).dump()),)

    def progress(self, wal_end: int) -> Iterable[Outgoing]:
        """Between transactions: nothing for us was before this LSN."""
        self.reached = max(self.reached, wal_end)
        content = json.dumps({"lsn": self.reached}).encode()
        found = self._ours(
            topic_format.PROGRESS, "fig.progress", content, topic_format.lsn_rest(self.reached)
        )  # fmt: skip
        return (found._replace(reaches=self.reached),)

    def take(self, lsn: int, message: Message) -> Iterable[Outgoing]:
        """The records of one message."""
        if message.__class__ is Insert and self._has_begun and not self._is_ours:  # Most of them.
            key, value = self._envelopes.created(lsn, message)
            self._number = number = self._number + 1
            return (Outgoing(key, value, topic_format.data_header(self._session, number)),)
        if isinstance(message, Begin):
            self._begin, self._is_open, self._is_ours, self._has_begun = message, True, False, False
            return ()
        if isinstance(message, Origin):
            self._is_ours = message.name.startswith(signature.OURS)
            return ()
        if isinstance(message, Relation):
            return self._relation(message)
        if isinstance(message, Commit):
            return self._commit(message)
        is_foreign = False
        if isinstance(message, LogicalMessage):
            self._is_ours |= self._is_open and signature.is_ours(message.prefix, message.content)
            is_foreign = not concerns(message, self._domain)
        if not self._is_open or self._is_ours or is_foreign:
            return ()
        return self._change(lsn, message)

    def _relation(self, message: Relation) -> Iterable[Outgoing]:
        if self._relations.get(message.oid) == message:
            return ()
        self._relations[message.oid] = message
        facts = self._describe(message)
        self._envelopes.announce(message, facts)
        return (self._ours(topic_format.RELATION, "fig.relation", topic_format.dump_relation(message, facts.types)),)

    def _change(self, lsn: int, message: Message) -> Iterator[Outgoing]:
        if not self._has_begun and self._begin is not None:
            begin, self._has_begun = self._begin, True
            rest = topic_format.begin_rest(begin.final_lsn, begin.time, begin.xid)
            yield self._numbered(topic_format.BEGIN, self._envelopes.begin(begin), rest)
        if isinstance(message, Insert):
            yield self._numbered(topic_format.DATA, self._envelopes.create(lsn, message))
        elif isinstance(message, Update):
            yield self._update(lsn, message)
        elif isinstance(message, Delete):
            yield self._numbered(topic_format.DATA, self._envelopes.delete(lsn, message))
        elif isinstance(message, Truncate):
            for oid in message.relations:
                yield self._numbered(topic_format.DATA, self._envelopes.truncate(lsn, oid))
        elif isinstance(message, LogicalMessage):
            yield self._numbered(topic_format.DATA, self._envelopes.message(message))

    def _update(self, lsn: int, message: Update) -> Outgoing:
        rest = b""
        if message.old_is is not OldRow.FULL and UNCHANGED in message.new:
            rest = topic_format.unsent_rest([i for i, value in enumerate(message.new) if value is UNCHANGED])
        [record] = self._envelopes.update(lsn, message)
        return self._numbered(topic_format.DATA, record, rest)

    def _commit(self, message: Commit) -> Iterable[Outgoing]:
        self._is_open, self._begin, self.reached = False, None, message.end_lsn
        if not self._has_begun:
            return ()
        self._has_begun = False
        rest = topic_format.end_rest(message.lsn, message.end_lsn, message.time)
        ended = self._numbered(topic_format.END, self._envelopes.end(message.end_lsn), rest)
        return (ended._replace(reaches=message.end_lsn),)

    def _ours(self, kind: str, prefix: str, content: bytes, rest: bytes = b"") -> Outgoing:
        message = LogicalMessage(False, self.reached, prefix, content)
        return self._numbered(kind, self._envelopes.message(message), rest)

    def _numbered(self, kind: str, record: Record, rest: bytes = b"") -> Outgoing:
        self._number += 1
        return Outgoing(record.key, record.value, topic_format.header(kind, self._session, self._number, rest))


def concerns(message: LogicalMessage, domain: str) -> bool:
    """What other domains and other programs say to each other stays where it is."""
    if message.prefix != OUR_MESSAGES:
        return False
    try:
        return bool(json.loads(message.content).get("domain") == domain)
    except (ValueError, AttributeError):
        return False
