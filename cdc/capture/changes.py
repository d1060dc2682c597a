"""The port between a session and whatever brings it the source's messages: a slot, or topics of Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cdc.messages import Message
from cdc.position import Position


class Keepalive(NamedTuple):
    """The source has sent everything up to `wal_end`."""

    wal_end: int
    reply: bool
    """The source wants to hear how far the target is, now."""


class Kept(NamedTuple):
    """A statement that the target's session has prepared, and its parameters."""

    statement: bytes
    parameters: Sequence[bytes | None]


class ChangeSource(Protocol):
    """Messages in commit order, each transaction whole, nothing left out and nothing twice after `resume`.

    Every method may raise ConnectionLost, which a new one of these gets over; other StreamErrors stop the stream.
    """

    size: int
    """Bytes of what was received last, about; 0 where nobody counts."""

    def resume(self, position: Position | None) -> Position:
        """Begin behind the target's position, and give it back. An error if what follows it cannot all be had."""

    def receive(self) -> Message | Keepalive | None:
        """The next one if there is one; None when nothing has arrived."""

    def send_status(self, flushed: int, applied: int, ask: bool = False) -> None:
        """The target has flushed, and shows, everything up to these LSNs; `ask` for a sign of life."""

    def silence(self) -> float:
        """Seconds since the source said anything."""

    def beside(self) -> Sequence[Kept]:
        """What has to be kept on the target together with a position that holds all that was received so far."""

    @property
    def sockets(self) -> Sequence[int]:
        """Readable when `receive` has something."""

    def close(self) -> None: ...
