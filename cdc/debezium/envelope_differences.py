"""Where our envelopes are not what Debezium's connector writes, and why. A test holds both beside each other: what is
not in this list is equal, and what is in it differs."""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """One place."""

    place: str
    """Below key, value or schema; `*` is any one step, `**` any number, `<type>` a column of that type."""
    ours: str
    """What we write there; empty for anything."""
    why: str


_UNKNOWN = "a column that cannot be NULL, of a row that was sent with its key alone: Debezium has "
DIFFERENCES = (
    Difference("value/ts_ms", "", "when the capture saw the row"),
    Difference("value/ts_us", "", "when the capture saw the row"),
    Difference("value/ts_ns", "", "when the capture saw the row"),
    Difference(
        "value/source/snapshot", "false",
        "null comes of replace.null.with.default=false, without which NULL in a row becomes the column's default",
    ),
    Difference("key/id", "", "BEGIN: the LSN of the commit, where Debezium has that of the first row"),
    Difference("value/id", "", "BEGIN: the LSN of the commit, where Debezium has that of the first row"),
    Difference("value/*/<date>", "infinity", "Debezium's number of days overflows"),
    Difference("value/*/<numeric>", "NaN", "PostgreSQL's spelling; Debezium has NAN"),
    Difference("value/*/<numeric_12_3>", "NaN", "PostgreSQL's spelling; Debezium has NAN"),
    Difference("value/*/<timetz>", "", "its own zone; Debezium shifts it to UTC, which is another value"),
    Difference("value/*/<timetz[]>", "", "their own zones"),
    Difference("value/*/<time[]>", "", "microseconds; Debezium cuts them to milliseconds"),
    Difference("value/*/<varbit>", "", "digits; of Debezium's bytes nobody knows how many leading zeros there were"),
    Difference("schema/**/<varbit>/**", "", "a string, therefore"),
    Difference("value/*/<int4[]>", "[3:4]={1,2}", "an array with bounds of its own, which Debezium forgets"),
    Difference("schema/**/default", "", "no defaults: a reader would put them where a row has NULL"),
    Difference("value/before/<default>", "", _UNKNOWN + "its default, we its type's zero"),
    Difference("value/before/<numeric_12_3>", "0", _UNKNOWN + "0.000"),
)  # fmt: skip
