"""Messages straight from the source's slot: the direct transport."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from cdc.capture.changes import Keepalive, Kept
from cdc.capture.losses import require_same
from cdc.capture.source import FRAME, SourceConnection
from cdc.decoding import decode
from cdc.messages import Message
from cdc.position import Position
from cdc.spec import StreamSpec
from cdc.stream_errors import ConnectionLost


class SlotChanges:
    """A `ChangeSource` over one replication connection."""

    def __init__(self, spec: StreamSpec) -> None:
        self._spec = spec
        self._connection = SourceConnection(spec.source_dsn, f"fig-stream {spec.name}")
        self._receive = self._connection.receive_framed
        self.size = 0
        self.silence = self._connection.silence
        self.close = self._connection.close

    def resume(self, position: Position | None) -> Position:
        """Only on the server, timeline and slot of the position, and only if the slot still has what follows it."""
        spec, connection = self._spec, self._connection
        found = require_same(position, spec.name, connection.standing(spec.slot))
        connection.start(spec.slot, spec.publication, found.lsn)
        return found

    def receive(self) -> Message | Keepalive | None:
        try:
            received = self._receive()
        except psycopg.OperationalError as error:
            raise ConnectionLost("source", str(error)) from error
        if received is None or isinstance(received, Keepalive):
            return received
        self.size = len(received)
        return decode(received, FRAME)

    def send_status(self, flushed: int, applied: int, ask: bool = False) -> None:
        try:
            self._connection.send_status(flushed, applied, ask)
        except psycopg.OperationalError as error:
            raise ConnectionLost("source", str(error)) from error

    def beside(self) -> Sequence[Kept]:
        return ()

    @property
    def sockets(self) -> Sequence[int]:
        return (self._connection.socket,)
