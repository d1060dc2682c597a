"""What stops a stream, or sends it back to its start. No message of these holds a value of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdc.errors import CdcError
from cdc.projection import Table


@dataclass(frozen=True)
class RefusedChange:
    """Which change was refused, without its values. What `cdc.skip.ask` wants to know."""

    lsn: int
    """Of its transaction's commit record."""
    ordinal: int
    """In its transaction, from 1; 0 where it is only known to be one of several."""
    table: str
    """Of the target; of the source where no statement could be made."""
    key: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    parks: Table | None = None
    """The target table whose constraints may only be in the way of the single step (`cdc.parking`)."""


class StreamError(CdcError):
    """Something about a stream; see the classes below."""

    code = "stream-error"
    change: RefusedChange | None = None
    """Where it is a change that cannot be applied."""


class ConnectionLost(StreamError):
    """A server went away or is busy with what is left of us; the stream connects again by itself."""

    code = "connection-lost"

    def __init__(self, side: str, reason: str) -> None:
        first_line = reason.strip().splitlines()[0] if reason.strip() else "closed without a reason"
        super().__init__(
            f"the stream's {side} is not there: {first_line}", "Start the server; the stream goes on by itself"
        )
        self.side = side


class NotSetUp(StreamError):
    """The target has no position of this stream."""

    code = "stream-not-set-up"

    def __init__(self, stream: str) -> None:
        super().__init__(
            f"stream {stream} has no position on its target",
            "Take its snapshot first (or, for the way back, prepare it)",
        )


class StreamIdentityChanged(StreamError):
    """Another server, timeline or slot than the one the position belongs to."""

    code = "stream-identity-changed"

    def __init__(self, stream: str, differences: Sequence[str]) -> None:
        super().__init__(
            f"stream {stream} cannot go on from its position: {'; '.join(differences)}",
            "Copy again: fig sync snapshot (what has not changed is not copied)",
        )


class StalePosition(StreamError):
    """The compare-and-set on the position found another one; this transaction was not applied."""

    code = "stale-position"

    def __init__(self, stream: str) -> None:
        super().__init__(
            f"somebody else has moved the position of stream {stream}; nothing of this transaction was applied",
            "Find the other applier of this stream and stop one of the two",
        )


class GuardRefused(StreamError):
    """The target's ownership row does not let this stream write."""

    code = "guard-refused"

    def __init__(self, stream: str, said: str, state: str | None, place: str) -> None:
        super().__init__(f"the target refuses rows of stream {stream} ({said}); first: {place}", "See: fig status")
        self.said = said
        self.state = state
        self.place = place


class ForeignWrite(StreamError):
    """Rows of somebody else arrive although the target owns them: a write went past the source's fence."""

    code = "foreign-write"

    def __init__(self, stream: str, place: str) -> None:
        domain, _, target = stream.rpartition("_to_")
        super().__init__(
            f"the target owns the domain, yet stream {stream} brings rows that are not ours: {place}",
            f"find who wrote on the source, past its fence; then: fig sync repair {domain};"
            f" fig sync snapshot {domain} --direction to_{target}",
        )
        self.place = place


class Untranslatable(StreamError):
    """A message that the lens cannot turn into statements; everything before it can still be applied."""

    code = "message-untranslatable"


class SchemaChanged(Untranslatable):
    """The source's table is not the one that the stream was set up for."""

    code = "schema-changed"

    def __init__(self, relation: str, differences: Sequence[str]) -> None:
        super().__init__(
            f"source table {relation} has changed: {'; '.join(differences)}",
            "Make the plan's lens and both schemas fit, restart fig streams, then: fig sync accept (nothing is lost)",
        )
        self.relation = relation
        self.differences = tuple(differences)


class RowsRewritten(Untranslatable):
    """The source's rows have changed, or are gone, without an event for each of them: DDL did it."""

    code = "rows-rewritten"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}, and the log has no events of its rows",
            "Copy again: fig sync snapshot (what has not changed is not copied)",
        )


class UnmappedTable(Untranslatable):
    """A row of a published table that no projection reads; dropping it would lose it silently."""

    code = "table-unmapped"

    def __init__(self, relation: str, publication: str) -> None:
        super().__init__(
            f"publication {publication} sends rows of {relation}, which no lens maps",
            f"Take {relation} out of the publication or into the plan (then: fig sync accept)",
        )


class UnknownLabel(Untranslatable):
    """A row of a pivoted table with labels that the lens does not know; dropping it would lose it silently."""

    code = "label-unknown"

    def __init__(self, relation: str, columns: Sequence[str]) -> None:
        super().__init__(
            f"a row of {relation} has labels ({', '.join(columns)}) that no row of its pivot has",
            "Compare both schemas with the plan: fig plan check",
        )


class UnsentValue(Untranslatable):
    """A value the target needs was not sent, because it is large and did not change."""

    code = "value-not-sent"

    def __init__(self, relation: str, column: str, why: str) -> None:
        super().__init__(
            f"column {column} of {relation} is needed ({why}), but an unchanged large value is not sent",
            f"Run: ALTER TABLE {relation} REPLICA IDENTITY FULL, then take the snapshot again",
        )


class ApplyMismatch(StreamError):
    """A statement changed another number of rows than it should; its transaction was not applied."""

    code = "apply-mismatch"

    def __init__(self, what: str, said: str, place: str) -> None:
        super().__init__(f"{what}: {said}; {place}", "Verify the domain: both sides differ in this table")


class PoisonRow(StreamError):
    """The target refuses a row; its transaction was not applied, the stream stays in front of it."""

    code = "poison-row"

    def __init__(self, what: str, said: str, place: str) -> None:
        super().__init__(
            f"{what} is refused by the target: {said}; {place}",
            "Correct the lens, the target or the row, or skip exactly this change; then start the stream",
        )


class MalformedMessage(StreamError):
    """Bytes that are no pgoutput message of protocol version 1, or one that cannot come where it came."""

    code = "message-malformed"

    def __init__(self, reason: str, data: bytes, at: int = 0) -> None:
        kind = repr(chr(data[0])) if data else "empty"
        super().__init__(
            f"not a pgoutput message ({kind}, {len(data)} bytes), at byte {at}: {reason}",
            "Report this with both server versions; the position was not moved",
        )
        self.at = at
        """The byte of the message at which it cannot be right."""


class SlotBlocked(StreamError):
    """The slot cannot become consistent while old transactions run on the source."""

    code = "slot-blocked"

    def __init__(self, slot: str, seconds: float, blockers: Sequence[str]) -> None:
        named = "; ".join(blockers) or "no transaction is visible any more, try again"
        super().__init__(
            f"slot {slot} was not ready within {seconds:g} s; it waits for: {named}",
            "End these transactions, then repeat",
        )
        self.blockers = tuple(blockers)


class NothingToSkip(StreamError):
    """A change that cannot be left out any more, or should not be."""

    code = "nothing-to-skip"

    def __init__(self, stream: str, reason: str) -> None:
        super().__init__(f"stream {stream} skips nothing: {reason}", "Read the place from the stream's last error")


class SetUpError(StreamError):
    """What a stream needs on its servers cannot be put there."""

    code = "stream-set-up-refused"


class SnapshotRunning(StreamError):
    """Another process copies rows for this stream and is alive."""

    code = "snapshot-running"

    def __init__(self, stream: str) -> None:
        super().__init__(
            f"another process copies rows for stream {stream}", "Let it finish, or end it and repeat: it is resumed"
        )


class SnapshotSuperseded(StreamError):
    """A later attempt has taken over; nothing of this transaction was written."""

    code = "snapshot-superseded"

    def __init__(self, stream: str) -> None:
        super().__init__(f"a later copy for stream {stream} has taken over", "Follow that one: fig sync status")


class PositionMoved(StreamError):
    """The applier went on before a refill held its position; nothing was written."""

    code = "position-moved"

    def __init__(self, stream: str) -> None:
        super().__init__(f"stream {stream} went on while rows were to be copied at its point", "Repeat")


class CopyRefused(StreamError):
    """The target refuses a copied row; its unit was not written, what was copied before it stays."""

    code = "copy-refused"

    def __init__(self, target: str, said: str) -> None:
        super().__init__(f"rows of {target} are refused: {said}", "Correct the lens or the row, then repeat")
