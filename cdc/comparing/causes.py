"""Why a row differs: what is known about it, and the name that this allows. Pure; `evidence` finds what is known.

A name is given only where the evidence leaves no other; everything else is "unknown", with what would have told.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cdc.comparing.difference import Difference, Kind


class Cause(StrEnum):
    LAG = "lag"
    """It was on its way: the next look, at a later point, found both sides the same."""
    LENS = "lens"
    """The row was copied through another lens than today's, and not written since in this column."""
    FOREIGN_WRITER = "foreign writer"
    """Somebody who is not this stream wrote the target's row last; the fence should have refused it."""
    CORRUPTION = "corruption"
    """Neither side's row was written since it was copied, or an index does not say what the table says."""
    SKIPPED = "skipped"
    """An operator had a change of this row left out (`cdc.target.skip`)."""
    UNKNOWN = "unknown"


class Writer(StrEnum):
    """Who wrote the target's row last."""

    COPY = "the stream's copy"
    STREAM = "the stream"
    OTHER = "somebody else"
    UNKNOWN = "nobody knows whom"
    NOBODY = "there is no row"


@dataclass(frozen=True)
class Facts:
    """What is known of one difference."""

    still: bool
    """It was found again, at a later point."""
    writer: Writer
    written_at: str | None = None
    """When, by the target's clock; None if the target does not keep it."""
    source_written: bool | None = None
    """Since the first copy; None if that is not known."""
    lens_changed: bool = False
    """This column is made of something else than when it was copied."""
    indexes_agree: bool = True
    """On both sides a look by index and a look through the table find the same."""
    left_out: str | None = None
    """The last change of this row that was left out, and on whose word."""


@dataclass(frozen=True)
class Named:
    """A difference, its cause, and why it is this one."""

    difference: Difference
    cause: Cause
    evidence: str

    def __str__(self) -> str:
        return f"{self.difference} [{self.cause}: {self.evidence}]"

    def as_json(self) -> dict[str, object]:
        return {**self.difference.as_json(), "cause": str(self.cause), "evidence": self.evidence}


_NO_TIMES = "the target does not keep who wrote a row (track_commit_timestamp is off)"


def name(difference: Difference, facts: Facts) -> Named:
    """The cause that the facts leave."""
    return Named(difference, *_cause(difference.kind, facts))


def _cause(kind: Kind, facts: Facts) -> tuple[Cause, str]:
    if not facts.still:
        return Cause.LAG, "both sides were the same at the next point"
    if facts.left_out is not None:
        return Cause.SKIPPED, facts.left_out
    if not facts.indexes_agree:
        return Cause.CORRUPTION, "a look by index finds another row than a look through the table"
    if facts.writer is Writer.OTHER:
        return Cause.FOREIGN_WRITER, f"the target's row was last written by somebody else, at {facts.written_at}"
    if kind is Kind.DIFFERS and facts.lens_changed and facts.writer in (Writer.COPY, Writer.UNKNOWN):
        return Cause.LENS, f"the column's lens is not the one of the copy; last written by {facts.writer}"
    untouched = facts.source_written is False
    if kind is Kind.DIFFERS and facts.writer is Writer.COPY and untouched:
        return Cause.CORRUPTION, "neither side's row was written since it was copied, and the lens is the same"
    if kind is Kind.MISSING and untouched:
        return Cause.UNKNOWN, "the source's row is older than the copy: it was deleted by somebody else, or lost"
    if kind is Kind.MISSING:
        return Cause.UNKNOWN, "a row that is not there does not say who deleted it"
    if facts.writer is Writer.UNKNOWN:
        return Cause.UNKNOWN, _NO_TIMES
    return Cause.UNKNOWN, f"the target's row was last written by {facts.writer}"
