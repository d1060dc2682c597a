"""A difference gets a name only where the evidence leaves no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdc.comparing.causes import Cause, Facts, Writer, name
from cdc.comparing.difference import Difference, Kind
from cdc.projection import Table

COLUMN = Difference(Table("public", "t"), (("id", "1"),), "a", Kind.DIFFERS, "1", "2")
MISSING = replace(COLUMN, column=None, kind=Kind.MISSING)
SURPLUS = replace(COLUMN, column=None, kind=Kind.SURPLUS)
COPIED = Facts(still=True, writer=Writer.COPY, source_written=False)


@pytest.mark.parametrize(
    ("difference", "facts", "cause", "evidence"),
    [
        (COLUMN, replace(COPIED, still=False), Cause.LAG, "the same at the next point"),
        (COLUMN, replace(COPIED, left_out="by ann: known"), Cause.SKIPPED, "by ann"),
        (MISSING, replace(COPIED, left_out="by ann: known", still=False), Cause.LAG, "the same"),
        (COLUMN, COPIED, Cause.CORRUPTION, "neither side's row was written"),
        (COLUMN, replace(COPIED, lens_changed=True), Cause.LENS, "not the one of the copy"),
        (COLUMN, replace(COPIED, indexes_agree=False, lens_changed=True), Cause.CORRUPTION, "by index"),
        (COLUMN, replace(COPIED, source_written=True), Cause.UNKNOWN, "the stream's copy"),
        (COLUMN, replace(COPIED, source_written=None), Cause.UNKNOWN, "the stream's copy"),
        (COLUMN, Facts(True, Writer.OTHER, "noon"), Cause.FOREIGN_WRITER, "somebody else, at noon"),
        (COLUMN, Facts(True, Writer.OTHER, "noon", lens_changed=True), Cause.FOREIGN_WRITER, "somebody else"),
        (COLUMN, Facts(True, Writer.STREAM, lens_changed=True), Cause.UNKNOWN, "by the stream"),
        (COLUMN, Facts(True, Writer.UNKNOWN), Cause.UNKNOWN, "track_commit_timestamp"),
        (MISSING, Facts(True, Writer.NOBODY, source_written=False), Cause.UNKNOWN, "deleted by somebody else, or lost"),
        (MISSING, Facts(True, Writer.NOBODY, source_written=True), Cause.UNKNOWN, "does not say who deleted it"),
        (SURPLUS, Facts(True, Writer.OTHER, "noon"), Cause.FOREIGN_WRITER, "somebody else"),
        (SURPLUS, COPIED, Cause.UNKNOWN, "the stream's copy"),
    ],
)
def test_the_facts_decide(difference: Difference, facts: Facts, cause: Cause, evidence: str) -> None:
    named = name(difference, facts)
    assert named.cause is cause
    assert evidence in named.evidence
    assert named.as_json()["cause"] == str(cause)
