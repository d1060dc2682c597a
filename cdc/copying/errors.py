"""What stops a copy of rows: a snapshot, or a refill. No message of these holds a value of a row."""

from __future__ import annotations

from cdc.stream_errors import StreamError


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
