"""What stops a stream, or sends it back to its start. No message of these holds a value of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdc.errors import CdcError
from cdc.projection import Table


@dataclass(frozen=True)
class RefusedChange:
    """Which change was refused, without its values. What `cdc.target.skip.ask` wants to know."""

    lsn: int
    """Of its transaction's commit record."""
    ordinal: int
    """In its transaction, from 1; 0 where it is only known to be one of several."""
    table: str
    """Of the target; of the source where no statement could be made."""
    key: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    parks: Table | None = None
    """The target table whose constraints may only be in the way of the single step (`cdc.target.parking`)."""


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
