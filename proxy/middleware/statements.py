"""What a statement does to its transaction, told by its first word; and whether a transaction is open."""

from __future__ import annotations

import re
from typing import Any

# What a statement that only reads, or only steers the transaction, begins with. Anything else counts as a write.
READING = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:select|show|set|reset|begin|start|savepoint|release|values|table|fetch|move"
    r"|close|declare|lock|listen|unlisten|commit|end|rollback|abort)\b[^;]*;?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
UNDOING = re.compile(r"\s*(?:rollback|abort)\b(?!.*\bto\b)", re.IGNORECASE | re.DOTALL)
_IDLE = 0


def text(statement: object, connection: Any) -> str:
    """As it is sent, of whatever a driver takes for a statement."""
    if isinstance(statement, str):
        return statement
    if isinstance(statement, bytes):
        return statement.decode("utf-8", "replace")
    as_string = getattr(statement, "as_string", None)
    return str(as_string(connection)) if as_string else str(statement)


def is_idle(connection: Any) -> bool:
    """Is no transaction open on this connection?"""
    info = getattr(connection, "info", None)
    status = getattr(info, "transaction_status", None)
    return bool(status == _IDLE if status is not None else getattr(connection, "autocommit", False))
