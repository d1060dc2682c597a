"""The source transaction that is being received, and the statements that it becomes."""

from __future__ import annotations

from dataclasses import dataclass

from cdc.position import lsn_text
from cdc.projection import Table
from cdc.target.runs import Batch
from cdc.target.skip import Omission


@dataclass(frozen=True)
class WholeTable:
    """A statement about all rows of a target table."""

    target: Table
    sql: str

    def __str__(self) -> str:
        return f"truncation of {self.target}"


Statement = Batch | WholeTable | Omission


@dataclass(slots=True, eq=False)
class Transaction:
    """The source transaction that is being received."""

    xid: int
    final_lsn: int
    time: int
    is_ours: bool = False
    changes: int = 0
    """So far: the ordinal of the newest one."""
    heartbeat: bool = False
    probe: str | None = None
    marker: str | None = None
    is_grant: bool = False
    """The source owns from here on, at a new epoch: this target has given the domain away."""

    def __str__(self) -> str:
        return f"transaction {self.xid} (commit {lsn_text(self.final_lsn)})"
