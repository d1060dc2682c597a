"""Base of everything that can go wrong with rows. Each error says what is the case and what to do next."""

from __future__ import annotations


class CdcError(Exception):
    """`code` is stable, `message` is one sentence with the facts, `next_step` is what to type or do."""

    code = "cdc-error"

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class LensError(CdcError):
    """A lens that cannot be meant; every problem is listed, one a line."""

    code = "lens-invalid"

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems), "Correct the plan's tables, then run: fig plan check")
        self.problems = problems


class CatalogueError(CdcError):
    """A table that a projection names cannot be read on its side."""

    code = "table-unreadable"


class GateError(CdcError):
    """No exact pair of snapshots could be taken; nothing was compared and nothing is held."""

    code = "snapshot-pair-unavailable"


class ComparisonFailed(CdcError):
    """A table could not be compared to its end."""

    code = "comparison-failed"

    def __init__(self, source: str, target: str, said: str) -> None:
        super().__init__(
            f"{source} cannot be compared with {target}: {said or 'no reason given'}",
            "Correct the value or the lens, or start the server, then verify again",
        )
