"""Why a rehearsal does not begin, or cannot be finished. The live side is never changed."""

from __future__ import annotations

from collections.abc import Sequence

from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit


class RehearsalRefused(FigError):
    """What would not be a rehearsal of what is live, or not a safe one; all reasons at once."""

    code = "rehearsal-refused"
    exit_code = Exit.REFUSED

    def __init__(self, domain: str, reasons: Sequence[str], next_step: str) -> None:
        lines = "\n".join(f"  - {reason}" for reason in reasons)
        super().__init__(f'"{domain}" cannot be rehearsed; nothing was started:\n{lines}', next_step)
        self.reasons = list(reasons)


class CopyFailed(FigError):
    """A live database could not be copied; what PostgreSQL said, without values."""

    code = "rehearsal-copy-failed"
    exit_code = Exit.NOT_PROVEN


class RehearsalStuck(FigError):
    """A step of the rehearsal did not come about in time."""

    code = "rehearsal-stuck"
    exit_code = Exit.NOT_PROVEN
