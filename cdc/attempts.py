"""What a stream tries when the target refuses rows, one after the other. Pure.

As fast as it goes; then with the table parked whose constraints were in the way; then row by row, which says exactly
which change is refused; and where tables were parked, once more without, since a parked row is refused late.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cdc.message_errors import Untranslatable
from cdc.projection import Table
from cdc.target.errors import ApplyMismatch, PoisonRow

Refusal = ApplyMismatch | PoisonRow | Untranslatable


@dataclass(frozen=True)
class Attempt:
    """How the next session goes about it."""

    parked: frozenset[Table] = frozenset()
    """A table that was parked once stays so while the stream runs: whoever swaps values will do it again."""
    is_careful: bool = False
    """One row a statement, one source transaction at a time, up to the one that was refused."""
    is_last: bool = False

    def __str__(self) -> str:
        """For the log."""
        past = f"past the constraints of {', '.join(map(str, sorted(self.parked)))}" if self.parked else ""
        return " and ".join(filter(None, ["row by row" if self.is_careful else "", past]))

    @property
    def done(self) -> Attempt:
        """After a careful session got past the transaction."""
        return replace(self, is_careful=False, is_last=False)


def after(attempt: Attempt, refusal: Refusal) -> Attempt | None:
    """The next one; None when nothing is left but to say so."""
    if attempt.is_last:
        return None
    table = refusal.change.parks if refusal.change else None
    if table is not None and table not in attempt.parked:
        return replace(attempt, parked=attempt.parked | {table})
    if not attempt.is_careful:
        return replace(attempt, is_careful=True)
    return Attempt(is_careful=True, is_last=True) if attempt.parked else None
