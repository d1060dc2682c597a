"""What the target does not let a stream commit. No message of these holds a value of a row."""

from __future__ import annotations

from cdc.stream_errors import StreamError


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


class StalePosition(StreamError):
    """The compare-and-set on the position found another one; this transaction was not applied."""

    code = "stale-position"

    def __init__(self, stream: str) -> None:
        super().__init__(
            f"somebody else has moved the position of stream {stream}; nothing of this transaction was applied",
            "Find the other applier of this stream and stop one of the two",
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
