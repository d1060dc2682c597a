"""What of a source's messages cannot be understood, or not be said to the target. No row values in any of these."""

from __future__ import annotations

from collections.abc import Sequence

from cdc.stream_errors import StreamError


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
